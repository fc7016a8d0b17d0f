"""Cells that say nothing: each gene permuted among cells of like depth, and scores measured by what such cells give."""

import numba
import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator
from scgnn_tools.grn.evidence import N_BINS, depth_bins

ROWS = 64
"""Factors that scores are measured for at a time."""


def permuted(x: sp.csr_array, *, n_bins: int = N_BINS, bins: np.ndarray | None = None, rng: RNG = 0) -> sp.csr_array:
    """Permute every gene on its own, among cells that express about as many genes.

    What a gene's values are, and that deep cells express more, stays; which genes go together in a cell does not.

    Parameters
    ----------
    x
        Cells, (n_cells, n_genes).
    n_bins
        Bins of depth, of at least 10 cells each; 1 permutes among all cells.
    bins
        Bin of each cell; None makes them. What is measured on permuted cells is to be measured at the depth that they had.
    rng
        Seed.
    """
    n = x.shape[0]
    place = depth_bins(x, n_bins) if bins is None else bins
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(place.max() + 2))
    columns = sp.csc_array(x)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    rows = np.empty_like(columns.indices)
    _permute_rows(columns.indptr, columns.indices, rank, order, bounds, generator(rng), rows)
    return sp.csr_array(sp.csc_array((columns.data, rows, columns.indptr), shape=x.shape))


def calibrated(score: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return scores as standard deviations from what cells that say nothing give, float32 of the same shape.

    Mean and spread of the null are those of the factor (row) and of the gene (column) together: one pair alone is too little to tell.
    """
    of_row, of_column, of_all = null.mean(axis=1, keepdims=True), null.mean(axis=0, keepdims=True), null.mean()
    rest = of_row + of_column  # from here on in place: it is as large as the scores
    rest -= of_all
    np.subtract(null, rest, out=rest)
    np.square(rest, out=rest)
    total = float(rest.mean())
    by_row, by_column = rest.mean(axis=1, keepdims=True), rest.mean(axis=0, keepdims=True)
    del rest
    least, out = max(0.1 * np.sqrt(total), 1e-6), np.empty(score.shape, dtype=np.float32)
    for start in range(0, len(score), ROWS):
        rows = slice(start, start + ROWS)
        spread = np.sqrt(by_row[rows] * by_column / max(total, 1e-12))
        z = (score[rows] - (of_row[rows] + of_column - of_all)) / np.maximum(spread, least)
        out[rows] = np.where(np.isfinite(z), z, 0.0)
    return out


@numba.njit(cache=True, nogil=True)
def _permute_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    rank: np.ndarray,
    order: np.ndarray,
    bounds: np.ndarray,
    rng: np.random.Generator,
    out: np.ndarray,
) -> None:  # pragma: no cover (compiled)
    place = np.arange(bounds[-1])
    for j in range(len(indptr) - 1):
        for b in range(len(bounds) - 1):
            low, high = bounds[b], bounds[b + 1]
            for i in range(high - 1, low, -1):
                k = low + int(rng.random() * (i - low + 1))
                place[i], place[k] = place[k], place[i]
        for p in range(indptr[j], indptr[j + 1]):
            out[p] = order[place[rank[indices[p]]]]
