"""Probabilities that mean what they say: one temperature, fitted on held-out cells (Guo et al. 2017)."""

import numpy as np


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes held-out labels most likely; 1 where nothing was held out.

    Parameters
    ----------
    scores
        Log-probabilities up to a constant a cell, (n_cells, n_classes), of cells that were not trained on.
    labels
        Their classes, int (n_cells,).
    """
    from scipy.optimize import minimize_scalar

    if len(labels) == 0:
        return 1.0
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        return float(-log_proba(scores, np.exp(log_t))[rows, labels].mean())

    # bounds keep a small set that is all right from claiming certainty
    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 2.5), method="bounded").x))


def log_proba(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return log-probabilities at a temperature, (n_cells, n_classes)."""
    scaled = np.maximum(scores, scores.max(axis=1, keepdims=True) - 700) / temperature  # no -inf - -inf
    return scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
