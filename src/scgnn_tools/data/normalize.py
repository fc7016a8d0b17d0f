"""Log-normalisation of rows: each cell by itself, so that a cell never depends on its neighbours in a chunk."""

import numpy as np
import scipy.sparse as sp

TARGET_SUM = 1e4


def log_normalize(counts: sp.csr_array) -> sp.csr_array:
    """Return log1p of counts per 10,000, CSR float32, same shape; a cell without counts stays zero."""
    return _scale_and_log(counts, counts.data.astype(np.float64), always=True)


def renormalize(log: sp.csr_array) -> sp.csr_array:
    """Return log-normalised values with no cell above a total of 10,000.

    A cell whose values undo to a larger total (counts per million, another logarithm) is scaled down; a smaller one is
    left alone, since the genes that would fill it up may just not be in the matrix.
    """
    return _scale_and_log(log, np.expm1(np.minimum(log.data.astype(np.float64), 100)), always=False)


def _scale_and_log(rows: sp.csr_array, values: np.ndarray, *, always: bool) -> sp.csr_array:
    cell = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    total = np.bincount(cell, weights=values, minlength=rows.shape[0])
    factor = np.ones(rows.shape[0])
    scaled = total > 0 if always else total > 1.05 * TARGET_SUM
    factor[scaled] = TARGET_SUM / total[scaled]
    data = np.log1p(values * factor[cell]).astype(np.float32)
    return sp.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
