"""The class of each change: up, down or unchanged."""

import numpy as np

from scgnn_tools.perturbation.bulk._protocol import CLASSES, STRONG


def edges_of_classes(log_fold: float, n_classes: int) -> list[float]:
    """Return the changes at which one class ends and the next begins, ascending."""
    edges = [-log_fold, log_fold]
    if n_classes == 5:
        strong = log_fold + np.log(STRONG)
        edges = [-strong, *edges, strong]
    return edges


def labels(
    change: np.ndarray, expressed: np.ndarray, target: np.ndarray, genes: np.ndarray, log_fold: float, n_classes: int
) -> np.ndarray:
    """Return the class of each change, -1 where the gene does not count or is the target, int8 (n, n_genes)."""
    out = np.full(change.shape, len(CLASSES[n_classes]) // 2, dtype=np.int8)
    for e in edges_of_classes(log_fold, n_classes):
        out += np.where(e > 0, change >= e, -(change <= e).astype(np.int8)).astype(np.int8)
    out[~expressed | (genes == target[:, None]) | ~np.isfinite(change)] = -1
    return out
