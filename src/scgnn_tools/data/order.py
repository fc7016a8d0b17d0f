"""An order of cells by what they hold: whoever draws cells draws them from this, so that the order of an object decides nothing."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools.data.batches import CHUNK

STEPS = 64
"""Values are told apart to 1/64: what other sums give in the last digit must not change the order."""


def by_content(rows: sp.csr_array, genes: np.ndarray | None = None) -> np.ndarray:
    """Return the cells in an order that neither their own order nor that of the genes decides, int64 (n_cells,).

    Parameters
    ----------
    rows
        Log-normalised expression, CSR (n_cells, n_genes).
    genes
        Names of the columns, shape (n_genes,); None takes their positions.
    """
    names = np.arange(rows.shape[1]).astype(str) if genes is None else np.asarray(genes, dtype=object)
    of_gene = pd.util.hash_array(names.astype(str).astype(object)) if len(names) else np.zeros(0, dtype=np.uint64)
    pattern, values = (np.zeros(rows.shape[0], dtype=np.uint64) for _ in range(2))
    for start in range(0, rows.shape[0], CHUNK):
        a, b = rows.indptr[start], rows.indptr[min(start + CHUNK, rows.shape[0])]
        ends = rows.indptr[start : start + CHUNK + 1] - a
        here = of_gene[rows.indices[a:b]]
        steps = np.rint(rows.data[a:b].astype(np.float64) * STEPS).astype(np.int64).astype(np.uint64)
        pattern[start : start + CHUNK] = _sums(here, ends)
        values[start : start + CHUNK] = _sums(here * steps, ends)
    return np.lexsort((values, pattern))


def _sums(numbers: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the sum of each cell's numbers; it wraps around, and so does the difference of two sums."""
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(numbers, dtype=np.uint64)])
    return total[ends[1:]] - total[ends[:-1]]
