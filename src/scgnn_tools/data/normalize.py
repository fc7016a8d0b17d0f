"""Log-normalisation of rows: each cell by itself, so that a cell never depends on its neighbours in a chunk."""

import numba
import numpy as np
import scipy.sparse as sp

TARGET_SUM = 1e4
SHORT = 256
"""Counts whose logarithm is worked out once a cell."""


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
    data = np.empty(len(values), dtype=np.float32)
    _log_rows(np.asarray(rows.indptr, dtype=np.int64), values, always, data)
    return sp.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)


@numba.njit(cache=True, nogil=True)
def _log_rows(indptr: np.ndarray, values: np.ndarray, always: bool, out: np.ndarray) -> None:  # noqa: FBT001
    known, made_for = np.empty(SHORT), np.full(SHORT, -1)  # most values of a cell are the same few counts
    for row in range(len(indptr) - 1):
        total = 0.0
        for i in range(indptr[row], indptr[row + 1]):
            total += values[i]
        scaled = total > 0 if always else total > 1.05 * TARGET_SUM
        factor = TARGET_SUM / total if scaled else 1.0
        for i in range(indptr[row], indptr[row + 1]):
            value = values[i]
            if not 0 <= value < SHORT or value != int(value):
                out[i] = np.log1p(value * factor)
                continue
            count = int(value)
            if made_for[count] != row:
                known[count], made_for[count] = np.log1p(value * factor), row
            out[i] = known[count]
