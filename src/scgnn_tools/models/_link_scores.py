"""What a link predictor makes of many pairs: the best targets of each transcription factor, and probabilities."""

from typing import Any

import numpy as np
import pandas as pd

BLOCK = 2**21
"""Pairs that are scored at once."""


def best_targets(predictor: Any, tfs: np.ndarray, genes: np.ndarray, n_top: int | None) -> pd.DataFrame:
    """Score every factor with every other gene.

    Parameters
    ----------
    predictor
        A fitted one with ``score_grid``.
    tfs, genes
        Symbols, object.
    n_top
        Targets kept of each factor; None keeps all.

    Returns
    -------
    DataFrame
        ``tf``, ``target`` and ``score``, a logit, best first.
    """
    nothing = np.zeros(0, dtype=np.float32)  # an object without a factor has no edges
    parts = [pd.DataFrame({"tf": tfs[:0], "target": genes[:0], "score": nothing})]
    step, n = max(1, BLOCK // max(1, len(genes))), len(genes)
    most = n - 1 if n_top is None else min(n_top, n - 1)  # no factor is its own target here
    for start in range(0, len(tfs), step):
        some = tfs[start : start + step]
        grid = predictor.score_grid(some, genes)
        grid[some[:, None] == genes] = -np.inf
        best = np.argsort(-grid, axis=1, kind="stable")[:, :most]
        score = np.take_along_axis(grid, best, axis=1).ravel()
        parts.append(pd.DataFrame({"tf": np.repeat(some, most), "target": genes[best].ravel(), "score": score}))
    return pd.concat(parts).sort_values("score", ascending=False, kind="stable")


def probability(logit: np.ndarray) -> np.ndarray:
    """Return the logistic function of logits, float64."""
    return 1 / (1 + np.exp(-np.asarray(logit, dtype=np.float64)))
