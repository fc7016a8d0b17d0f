"""A factor set to another level, and its targets after it: a linear signal over a network, in expression space.

The idea is that of CellOracle (Kamimoto et al., Nature 2023): a target is a linear sum of its factors', the change of one of them is passed
on over a few steps, and no gene leaves the range in which it was observed. Beside it stand rewired networks, in which each factor and each
target has as many edges as in the network, with weights fitted in the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from scgnn_tools.grn.heldout import rewired

RIDGE = 0.1
"""Of a regression on standardised factors, per cell."""

CHUNK, BLOCK = 2_000, 512
MOST_CELLS, MOST_GENES = 100, 2_000
"""Cells of a group that the rewired networks are looked at in, and genes that components are made of."""


@dataclass(frozen=True)
class SmoothedCells:
    """Cells of one group, ready to be changed: what a cell is, is the mean over it and its neighbours.

    Attributes
    ----------
    means
        From cells to these means, CSR (n_means, n_cells).
    raw
        Log-normalised cells, CSC (n_cells, n_genes).
    loadings
        What a change of each gene is in each component, (n_genes, n_components).
    """

    means: sp.csr_array
    raw: sp.csc_array
    loadings: np.ndarray

    def chunks(self, genes: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield means by chunk, over some genes, dense."""
        some = sp.csr_array(self.raw[:, genes])
        for start in range(0, self.means.shape[0], CHUNK):
            rows = slice(start, min(start + CHUNK, self.means.shape[0]))
            yield rows, (self.means[rows] @ some).toarray().astype(float)


class Regressions:
    """What regressions of any gene on any factor need, from one pass over the cells.

    Parameters
    ----------
    x
        Log-normalised cells, CSC (n_cells, n_genes).
    factors
        Columns of all factors.
    """

    def __init__(self, x: sp.csc_array, factors: np.ndarray) -> None:
        n, n_genes = x.shape
        self.factors = factors
        some = x[:, factors].toarray().astype(np.float32)
        some -= some.mean(axis=0)
        products, self._deviation = np.empty((len(factors), n_genes)), np.empty(n_genes)
        for start in range(0, n_genes, BLOCK):
            block = x[:, start : start + BLOCK].toarray().astype(np.float32)
            block -= block.mean(axis=0)
            products[:, start : start + BLOCK] = some.T @ block / n
            self._deviation[start : start + BLOCK] = np.sqrt((block**2).mean(axis=0))
        fine = self._deviation > 1e-6
        per = np.divide(1.0, self._deviation, out=np.zeros(n_genes), where=fine)
        self._correlation = products * per[factors][:, None] * per[None, :]  # (n_factors, n_genes)

    def weights(self, factor: np.ndarray, target: np.ndarray) -> sp.csr_array:
        """Return the weight of each edge in a ridge regression of each target on all its factors, CSR (n_genes, n_genes).

        Parameters
        ----------
        factor, target
            Number of the factor (in ``factors``) and column of the target of each edge.
        """
        order = np.argsort(target, kind="stable")
        factor, target = factor[order], target[order]
        starts = np.flatnonzero(np.diff(target, prepend=-1))
        counts, values = np.diff(starts, append=len(target)), np.zeros(len(factor))
        for m in np.unique(counts):  # targets with as many factors are solved at once
            at = starts[counts == m][:, None] + np.arange(m)  # (n_targets, m)
            f, t = factor[at], target[at[:, 0]]
            columns = self.factors[f]
            among = self._correlation[f[:, :, None], columns[:, None, :]] + RIDGE * np.eye(m)
            beta = np.linalg.solve(among, self._correlation[f, t[:, None]][:, :, None])[:, :, 0]
            own = self._deviation[columns]
            values[at] = np.divide(beta * self._deviation[t][:, None], own, out=np.zeros(f.shape), where=own > 1e-6)
        n = len(self._deviation)
        return sp.csr_array((values, (self.factors[factor], target)), shape=(n, n))


def change(
    x: np.ndarray, weights: sp.csr_array, tf: int, level: float, *, n_steps: int, most: np.ndarray
) -> np.ndarray:
    """Return how the expression changes when a factor is set to a level, float64 (n_cells, n_genes).

    Parameters
    ----------
    x
        Cells × genes.
    weights
        Of each factor (row) on each target.
    tf
        Column of the factor.
    level
        What it is set to.
    n_steps
        Edges that the signal passes.
    most
        Largest value of each gene, which none exceeds, (n_genes,).
    """
    out = np.zeros(x.shape)
    out[:, tf] = level - x[:, tf]
    for _ in range(n_steps):
        out = np.asarray(out @ weights)
        out[:, tf] = level - x[:, tf]
        out = np.clip(x + out, 0, most) - x
        out[:, tf] = level - x[:, tf]
    return out


def reached(weights: sp.csr_array, tf: int, n_steps: int) -> np.ndarray:
    """Return the columns that a signal from a factor comes to in so many steps, sorted, the factor among them."""
    there = np.zeros(weights.shape[0], dtype=bool)
    there[tf] = True
    for _ in range(n_steps):
        there[weights[np.flatnonzero(there)].indices] = True
    return np.flatnonzero(there)


def shifts(
    cells: SmoothedCells, weights: sp.csr_array, tf: int, level: float, *, n_steps: int, most: np.ndarray
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield, by chunk of cells, which they are, the genes that change, by how much, and the shift in components."""
    genes, inner, own = _within_reach(weights, tf, n_steps)
    for rows, x in cells.chunks(genes):
        moved = change(x, inner, own, level, n_steps=n_steps, most=most[genes])
        yield rows, genes, moved, moved @ cells.loadings[genes]


def _within_reach(weights: sp.csr_array, tf: int, n_steps: int) -> tuple[np.ndarray, sp.csr_array, int]:
    """Return the genes that the signal reaches, the weights among them, and which of them the factor is."""
    genes = reached(weights, tf, n_steps)
    return genes, sp.csr_array(weights[genes][:, genes]), int(np.searchsorted(genes, tf))


def rewired_shifts(
    cells: SmoothedCells,
    moments: Regressions,
    edges: tuple[np.ndarray, np.ndarray],
    tf: int,
    level: float,
    *,
    n_steps: int,
    most: np.ndarray,
    n_shuffles: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that were looked at, and their shifts in rewired networks, (n_shuffles, n_cells, n_components)."""
    some = np.sort(rng.permutation(cells.means.shape[0])[:MOST_CELLS])
    x = (cells.means[some] @ sp.csr_array(cells.raw)).toarray().astype(float)
    out = []
    for _ in range(n_shuffles):
        factor, target = rewired(*edges, rng=rng)
        own = moments.factors[factor] != target  # no factor is its own target
        weights = moments.weights(factor[own], target[own])
        genes, inner, place = _within_reach(weights, tf, n_steps)
        moved = change(x[:, genes], inner, place, level, n_steps=n_steps, most=most[genes])
        out.append(moved @ cells.loadings[genes])
    return some, np.stack(out)


def loadings_of(x: sp.csc_array, n: int, seed: int) -> np.ndarray:
    """Return what a change of each gene is in principal components of its most variable genes, standardised, (n_genes, n).

    Parameters
    ----------
    x
        Log-normalised cells, CSC (n_cells, n_genes).
    n, seed
        Components, and the seed of what finds them.
    """
    from sklearn.utils.extmath import randomized_svd

    mean = np.asarray(x.mean(axis=0)).ravel()
    deviation = np.sqrt(np.maximum(np.asarray(x.multiply(x).mean(axis=0)).ravel() - mean**2, 0))
    dispersion = np.divide(deviation**2, mean + 1e-3, out=np.zeros_like(mean), where=deviation > 1e-6)
    some = np.sort(np.argsort(-dispersion, kind="stable")[:MOST_GENES])
    some = some[dispersion[some] > 0]
    out = np.zeros((x.shape[1], max(1, min(n, x.shape[0] - 1, len(some) - 1))))
    if len(some) > 1:
        values = (x[:, some].toarray() - mean[some]) / deviation[some]
        _, _, components = randomized_svd(values, out.shape[1], n_iter=4, random_state=seed)
        out[some] = (components / deviation[some]).T
    return out


def on_the_way(shift: np.ndarray, centres: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return how far shifts go from the centre of the own type to that of each type, as a share of the way, (…, n_cells, n_types).

    Parameters
    ----------
    shift
        Of each cell, (…, n_cells, n_components).
    centres
        Of each type, (n_types, n_components).
    own
        Type of each cell, int64 (n_cells,).
    """
    way = centres[None, :, :] - centres[own][:, None, :]  # (n_cells, n_types, n_components)
    length = (way**2).sum(axis=2)
    along = np.einsum("...ck,ctk->...ct", shift, way)
    return np.divide(along, length, out=np.zeros(along.shape), where=length > 0)
