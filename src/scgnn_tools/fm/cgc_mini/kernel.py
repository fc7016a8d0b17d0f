"""The vectors of cells in one pass over their genes, compiled."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def add_genes(
    offsets: np.ndarray,
    ids: np.ndarray,
    values: np.ndarray,
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
    counts: float,
    least: float,
    out: np.ndarray,
) -> None:
    """Add up the vectors of each cell's genes.

    In double precision and in the order of the columns: a cell's sum depends neither on its batch nor on the order of genes.

    Parameters
    ----------
    offsets, ids, values
        Genes of the cells, packed: where each cell begins, (n_cells + 1,); position in the vocabulary and log-normalised value.
    tables
        Trained vectors, fixed vectors, and those made from a user's cells, float64, each (n_vocabulary, width).
    counts, least
        Molecules, then units of the logarithm, that are taken off a value before it is multiplied with the fixed vector; the smallest
        value of a cell is one molecule.
    out
        Where the sums go, float32 (n_cells, sum of the widths).
    """
    trained, fixed, own = tables
    a, b = trained.shape[1], trained.shape[1] + fixed.shape[1]
    total = np.empty(b + own.shape[1])
    for cell in range(len(offsets) - 1):
        total[:] = 0
        smallest = np.inf
        for i in range(offsets[cell], offsets[cell + 1]):
            smallest = min(smallest, values[i])
        noise = counts * np.expm1(np.float64(smallest))
        clear = np.log1p(np.expm1(least) + noise)  # a value above this has something left
        for i in range(offsets[cell], offsets[cell + 1]):
            gene, value = ids[i], np.float64(values[i])
            for j in range(a):
                total[j] += value * trained[gene, j]
            for j in range(own.shape[1]):
                total[b + j] += value * own[gene, j]
            if value > clear:
                rest = np.log1p(np.expm1(value) - noise) - least
                for j in range(b - a):
                    total[a + j] += rest * fixed[gene, j]
        for j in range(len(total)):
            out[cell, j] = total[j]
