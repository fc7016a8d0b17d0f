"""Rows over other columns: those of a vocabulary in the place of those of the data."""

import numba
import numpy as np
import scipy.sparse as sp

BITS = 64
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_PLACE = np.zeros(BITS, dtype=np.int64)
for _bit in range(BITS):
    _PLACE[((int(_DE_BRUIJN) << _bit) & (2**BITS - 1)) >> 58] = _bit


def to_columns(rows: sp.csr_array, index: np.ndarray, n_columns: int) -> sp.csr_array:
    """Return rows with each column moved to another, CSR float32 (n_rows, n_columns), indices sorted.

    What a product with a 0/1 matrix and a sort would give, in one pass.

    Parameters
    ----------
    rows
        CSR float32, (n_rows, n).
    index
        Where each column goes, -1 for nowhere, int (n,); values of columns that go to one place add up.
    n_columns
        Of the result.
    """
    indptr = np.zeros(rows.shape[0] + 1, dtype=np.int64)
    indices, data = np.empty(rows.nnz, dtype=np.int32), np.empty(rows.nnz, dtype=np.float32)
    n = _move(rows.indptr, rows.indices, rows.data, np.asarray(index, dtype=np.int64), n_columns, indptr, indices, data)
    out = sp.csr_array((data[:n], indices[:n], indptr), shape=(rows.shape[0], n_columns))
    out.has_canonical_format = True
    return out


@numba.njit(cache=True, nogil=True)
def _move(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    index: np.ndarray,
    n_columns: int,
    out_indptr: np.ndarray,
    out_indices: np.ndarray,
    out_data: np.ndarray,
) -> int:
    there = np.zeros(n_columns // BITS + 1, dtype=np.uint64)  # a bit a column: read in order, they are sorted
    value = np.zeros(n_columns, dtype=np.float32)
    n = 0
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            column = index[indices[i]]
            if column >= 0:
                there[column >> 6] |= np.uint64(1) << np.uint64(column & 63)
                value[column] += data[i]
        for word in range(len(there)):
            bits = there[word]
            while bits:
                lowest = bits & (~bits + np.uint64(1))
                column = word * BITS + _PLACE[(lowest * _DE_BRUIJN) >> np.uint64(58)]
                if value[column] != 0:
                    out_indices[n], out_data[n] = column, value[column]
                    n += 1
                value[column] = 0
                bits ^= lowest
            there[word] = 0
        out_indptr[row + 1] = n
    return n
