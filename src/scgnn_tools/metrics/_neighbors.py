"""What the neighbours of cells say of batches and labels: LISI, connectivity of the graph, kBET."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG
from scgnn_tools.graph import knn

PERPLEXITY_SHARE = 3
"""Neighbours per unit of perplexity: 30 on 90 neighbours, as in LISI's paper."""

TRIES, TOLERANCE = 50, 1e-5


@dataclass(frozen=True)
class Neighbors:
    """The nearest cells of each cell, itself first, sorted by distance.

    Attributes
    ----------
    index, distance
        (n_cells, k).
    """

    index: np.ndarray
    distance: np.ndarray

    def first(self, k: int) -> "Neighbors":
        """Return the first ``k`` neighbours, the cell itself counted."""
        return Neighbors(self.index[:, :k], self.distance[:, :k])


def nearest(vectors: np.ndarray, k: int, *, rng: RNG = 0) -> Neighbors:
    """Return the ``k`` nearest cells of each cell, itself counted; fewer where there are not so many cells."""
    n = len(vectors)
    k = min(k, n)
    graph = knn(np.asarray(vectors, dtype=np.float64), k - 1, rng=rng)
    index, distance = graph.indices.reshape(n, k - 1), graph.data.reshape(n, k - 1)
    order = np.argsort(distance, axis=1, kind="stable")
    index, distance = np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)
    itself = np.arange(n, dtype=index.dtype)[:, None]
    return Neighbors(np.hstack([itself, index]), np.hstack([np.zeros((n, 1)), distance.astype(np.float64)]))


def lisi(near: Neighbors, codes: np.ndarray) -> np.ndarray:
    """Return the effective number of groups among each cell's neighbours, float64 (n_cells,) (Korsunsky et al. 2019).

    The inverse Simpson index of the groups, each neighbour weighted by a Gaussian of its distance whose width gives a perplexity of a
    third of the neighbours.
    """
    weight = _gaussian(near.distance[:, 1:], max(1, near.index.shape[1] // PERPLEXITY_SHARE))
    groups = codes[near.index[:, 1:]]
    share = np.stack([(weight * (groups == g)).sum(axis=1) for g in range(int(codes.max()) + 1)], axis=1)
    return 1 / (share**2).sum(axis=1)


def _gaussian(distance: np.ndarray, perplexity: float) -> np.ndarray:
    """Return weights exp(-beta d), sum 1 a row, with the entropy log(perplexity), by bisection of all rows at once."""
    n = len(distance)
    d = distance - distance[:, :1]  # a shift changes no weight, and keeps the exponentials away from zero
    beta, low, high = np.ones(n), np.full(n, -np.inf), np.full(n, np.inf)
    weight = np.empty_like(d)
    rows = np.arange(n)
    for _ in range(TRIES):
        p = np.exp(-d[rows] * beta[rows, None])
        total = p.sum(axis=1)
        entropy = np.log(total) + beta[rows] * (d[rows] * p).sum(axis=1) / total
        weight[rows] = p / total[:, None]
        wide = entropy - np.log(perplexity)
        rows, wide = rows[np.abs(wide) >= TOLERANCE], wide[np.abs(wide) >= TOLERANCE]
        if not len(rows):
            break
        low[rows] = np.where(wide > 0, beta[rows], low[rows])
        high[rows] = np.where(wide > 0, high[rows], beta[rows])
        middle = (low[rows] + high[rows]) / 2
        beta[rows] = np.where(
            np.isinf(high[rows]), beta[rows] * 2, np.where(np.isinf(low[rows]), beta[rows] / 2, middle)
        )
    return weight


def connectivity(near: Neighbors, codes: np.ndarray) -> float:
    """Return how much of each label hangs together: its largest strongly connected part, mean over labels."""
    n, k = near.index.shape
    graph = sp.csr_array((np.ones(n * k), near.index.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    shares = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        _, part = sp.csgraph.connected_components(graph[own][:, own], connection="strong")
        shares.append(np.bincount(part).max() / len(own))
    return float(np.mean(shares))


def kbet(vectors: np.ndarray, batch: np.ndarray, codes: np.ndarray, *, k: int = 50, alpha: float = 0.05) -> float:
    """Return the share of cells whose ``k`` nearest cells of the same label hold the label's batches in their shares, mean over labels.

    A chi-squared test a cell; labels of one batch or of fewer than 20 cells are left out; NaN where none is left.
    """
    from scipy.stats import chi2

    accepted = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        present, inside = np.unique(batch[own], return_inverse=True)
        if len(own) < 20 or len(present) < 2:
            continue
        near = nearest(vectors[own], min(k, len(own) // 2))
        expected = np.bincount(inside) / len(own) * near.index.shape[1]
        seen = np.stack([(inside[near.index] == b).sum(axis=1) for b in range(len(present))], axis=1)
        statistic = ((seen - expected) ** 2 / expected).sum(axis=1)
        accepted.append((chi2.sf(statistic, len(present) - 1) >= alpha).mean())
    return float(np.mean(accepted)) if accepted else float("nan")
