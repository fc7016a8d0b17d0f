"""How sure is a difference between two methods? Transcription factors are drawn anew, not pairs: those of one factor go together."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

N_DRAWS = 200


def draws(tf: np.ndarray, rng: int = 0) -> np.ndarray:
    """Return how often each factor (in order of first appearance) is drawn, (N_DRAWS, n_tfs)."""
    n = len(pd.unique(tf))
    return np.random.default_rng(rng).multinomial(n, np.full(n, 1 / n), size=N_DRAWS)


def auprc(label: np.ndarray, score: np.ndarray, tf: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the average precision of each draw; pairs with the same score come at once."""
    order = np.argsort(-score, kind="stable")
    weight = times[:, pd.factorize(tf)[0][order]].astype(np.float32)
    last = np.append(np.flatnonzero(np.diff(score[order]) != 0), len(order) - 1)
    hits, drawn = (np.cumsum(w, axis=1, dtype=np.float64)[:, last] for w in (weight * label[order], weight))
    precision = np.divide(hits, drawn, out=np.zeros_like(hits), where=drawn > 0)
    return (np.diff(hits, axis=1, prepend=0) * precision).sum(axis=1) / np.maximum(hits[:, -1], 1)


def auroc_per_tf(label: np.ndarray, score: np.ndarray, tf: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the mean over the factors that are drawn and have both kinds of pairs."""
    values = np.full(times.shape[1], np.nan)
    for k, rows in enumerate(pd.Series(np.arange(len(tf))).groupby(tf, sort=False)):
        at = rows[1].to_numpy()
        if 0 < label[at].sum() < len(at):
            values[k] = roc_auc_score(label[at], score[at])
    good = np.isfinite(values)
    return (times[:, good] @ values[good]) / np.maximum(times[:, good].sum(axis=1), 1)
