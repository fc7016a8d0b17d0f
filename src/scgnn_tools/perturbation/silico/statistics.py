"""Is a gene's shift more than that of genes like it, and more than its rank alone?"""

import numpy as np
import pandas as pd

from scgnn_tools._random import RNG, generator

NEAREST, LEAST_CELLS, MOST_NULL = 20, 3, 5_000


def table(effect: np.ndarray, like: np.ndarray, *, rng: RNG = 0) -> pd.DataFrame:
    """Return a row a gene: mean, spread, cells, the rank-sum test against other genes, and what genes of like expression do.

    Parameters
    ----------
    effect
        Of cells and genes, larger for more, NaN where there is none, (n_cells, n_genes).
    like
        What genes are like by, such as mean expression and detection, float (n_genes, k).
    rng
        Of the other genes' cells that a gene is compared with.
    """
    n = np.isfinite(effect).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(n > 0, np.nansum(effect, axis=0) / n, np.nan)
        spread = np.sqrt(np.maximum(np.nansum((effect - mean) ** 2, axis=0) / np.maximum(n - 1, 1), 0))
    out = pd.DataFrame({"shift": mean, "sd": np.where(n > 1, spread, np.nan), "n_cells": n})
    out["p"] = rank_sum(effect, rng=rng)
    out["like_genes"] = of_like_genes(mean, like)
    return out


def adjusted(p: np.ndarray) -> np.ndarray:
    """Return Benjamini and Hochberg's false discovery rate of p-values, NaN where there is none."""
    from scipy.stats import false_discovery_control

    out, known = np.full(len(p), np.nan), np.isfinite(p)
    if known.any():
        out[known] = false_discovery_control(p[known])
    return out


def rank_sum(effect: np.ndarray, *, rng: RNG = 0) -> np.ndarray:
    """Return two-sided p-values of each gene's shifts against a sample of those of all others, by ranks and the normal law, (n_genes,).

    NaN for a gene of fewer than three cells. The sample is sorted once: a gene costs as much as its own cells.
    """
    from scipy.stats import norm

    at = np.flatnonzero(np.isfinite(effect).ravel())
    out = np.full(effect.shape[1], np.nan)
    if not len(at):
        return out
    picked = generator(rng).choice(at, min(len(at), MOST_NULL), replace=False)
    values = effect.ravel()[picked]
    null, by_gene = (
        np.sort(values),
        {g: values[picked % effect.shape[1] == g] for g in np.unique(picked % effect.shape[1])},
    )
    for g in np.flatnonzero(np.isfinite(effect).sum(axis=0) >= LEAST_CELLS):
        own = effect[np.isfinite(effect[:, g]), g]
        mine = by_gene.get(g, own[:0])
        n, m = len(own), len(null) - len(mine)
        if m < LEAST_CELLS:
            continue
        below = (np.searchsorted(null, own) + np.searchsorted(null, own, side="right")) / 2
        u = below.sum() - ((own[:, None] > mine).sum() + 0.5 * (own[:, None] == mine).sum())
        out[g] = 2 * norm.sf(abs(u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
    return out


def of_like_genes(mean: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return the mean shift of the twenty genes that are nearest in ``like``, each column by its ranks."""
    from scipy.spatial import cKDTree
    from scipy.stats import rankdata

    known = np.flatnonzero(np.isfinite(mean))
    out = np.full(len(mean), np.nan)
    if len(known) < 3:
        return out
    place = np.stack([rankdata(c) for c in like[known].T], axis=1)
    k = min(NEAREST, len(known) - 1)
    near = cKDTree(place).query(place, k=k + 1, p=1)[1]
    # the gene itself is among its nearest, or stands behind others of the same place
    others = near != np.arange(len(known))[:, None]
    others[others.all(axis=1), -1] = False
    out[known] = (mean[known][near] * others).sum(axis=1) / k
    return out


def residual(mean: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what is left of shifts after a regression on columns, and the share of variance that these explain.

    Parameters
    ----------
    mean
        Of each gene, (n_genes,).
    columns
        Its mean rank and the number of tokens of its cells, (n_genes, k).
    """
    known = np.isfinite(mean) & np.isfinite(columns).all(axis=1)
    out = np.full(len(mean), np.nan)
    if known.sum() < columns.shape[1] + 2:
        return out, float("nan")
    x = np.column_stack([np.ones(known.sum()), columns[known]])
    fit = x @ np.linalg.lstsq(x, mean[known], rcond=None)[0]
    out[known] = mean[known] - fit
    total = ((mean[known] - mean[known].mean()) ** 2).sum()
    return out, float(1 - (out[known] ** 2).sum() / total) if total > 0 else 0.0


def nearest(like: np.ndarray, genes: np.ndarray, others: np.ndarray, n: int) -> np.ndarray:
    """Return which of the others are among the ``n`` nearest to a gene, each column of what they are like by its ranks.

    Parameters
    ----------
    like
        What genes are like by, float (n_all_genes, k).
    genes, others
        Rows of it.
    n
        A gene; those of several genes may be the same.
    """
    from scipy.spatial import cKDTree
    from scipy.stats import rankdata

    n = min(n, len(others))
    if n == 0 or not len(genes):
        return np.zeros(0, dtype=np.int64)
    place = np.stack([rankdata(c) for c in like.T], axis=1)
    return np.unique(cKDTree(place[others]).query(place[genes], k=n, p=1)[1])
