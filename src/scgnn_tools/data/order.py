"""An order of cells by what they hold: whoever draws cells draws them from this, so that the order of an object decides nothing."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools.data.batches import CHUNK

STEPS = 64
"""Values are told apart to 1/64: a last digit rarely changes a key, and then only among cells of as many genes."""


def by_content(rows: sp.csr_array) -> np.ndarray:
    """Return the cells in an order that their own order does not decide, nor that of the genes or how these are called.

    Parameters
    ----------
    rows
        Log-normalised expression, CSR (n_cells, n_genes).

    Returns
    -------
    int64 array
        Positions of the cells (n_cells,), sorted by a hash of the number of genes that each expresses, then by one of their values.
    """
    return sorted_by(content_keys(rows))


def sorted_by(keys: np.ndarray, *ties: np.ndarray) -> np.ndarray:
    """Return cells in the order of the keys of :func:`content_keys`; cells of equal content by ``ties``, the first counts most."""
    return np.lexsort((*ties[::-1], keys[:, 1], keys[:, 0]))


def content_keys(rows: sp.csr_array) -> np.ndarray:
    """Return what cells are sorted by, each by itself, so that blocks of cells can be read apart: two hashes, uint64 (n_cells, 2)."""
    key, expressed = np.zeros(rows.shape[0], dtype=np.uint64), np.zeros(rows.shape[0], dtype=np.int64)
    for start in range(0, rows.shape[0], CHUNK):
        a, b = rows.indptr[start], rows.indptr[min(start + CHUNK, rows.shape[0])]
        steps = np.rint(rows.data[a:b].astype(np.float64) * STEPS).astype(np.int64)
        # sums wrap around, and so does the difference of two
        total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(pd.util.hash_array(steps), dtype=np.uint64)])
        there = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(rows.data[a:b] != 0)])
        ends = rows.indptr[start : start + CHUNK + 1] - a
        key[start : start + CHUNK] = total[ends[1:]] - total[ends[:-1]]
        expressed[start : start + CHUNK] = there[ends[1:]] - there[ends[:-1]]
    return np.column_stack([pd.util.hash_array(expressed), key])


def largest_first(values: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return genes by the size of their values, the largest first, and equal ones by name: where a gene stands decides nothing."""
    return np.lexsort((names, -np.abs(values)))
