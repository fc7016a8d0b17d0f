"""First whether a gene changes, then which way: classes out of two probabilities."""

import numpy as np

from scgnn_tools.perturbation.bulk._protocol import Experiments


def strong_shares(seen: Experiments) -> tuple[float, float]:
    """Return which share of the falls, and of the rises, is strong; 0 for three classes."""
    if seen.n_classes == 3:
        return 0.0, 0.0
    n = np.bincount(seen.label[seen.counts], minlength=5).astype(float)
    return float((n[0] + 0.5) / (n[0] + n[1] + 1)), float((n[4] + 0.5) / (n[3] + n[4] + 1))


def classes(
    p_change: np.ndarray, p_up: np.ndarray, n_classes: int, strong: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Return the probability of each class, (…, n_classes): none 1 − p_c, up p_c p_u, down p_c (1 − p_u), and their strong shares."""
    up, down = p_change * p_up, p_change * (1 - p_up)
    if n_classes == 3:
        return np.stack([down, 1 - p_change, up], axis=-1)
    parts = [down * strong[0], down * (1 - strong[0]), 1 - p_change, up * (1 - strong[1]), up * strong[1]]
    return np.stack(parts, axis=-1)
