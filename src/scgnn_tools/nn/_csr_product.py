"""The product of a CSR matrix and features on a CPU, compiled.

Three times as fast as a dense product where a twelfth of the entries is there, and up to three times as fast as MKL's. A row of the result
is summed up in the same order whatever other rows there are.
"""

import numba
import numpy as np

from scgnn_tools._threads import as_many_as_torch


def csr_product(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the product, float32 (n_rows, d), of a CSR matrix and C-contiguous float32 features (n_columns, d)."""
    out = np.empty((len(indptr) - 1, features.shape[1]), dtype=np.float32)
    with as_many_as_torch():
        _product(indptr, indices, data, features, out)
    return out


def csr_transpose(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, n_columns: int, index: type
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``indptr``, ``indices`` (of type ``index``) and ``data`` of the transpose, its rows sorted."""
    starts = np.zeros(n_columns + 1, dtype=np.int64)
    np.cumsum(np.bincount(indices, minlength=n_columns), out=starts[1:])
    out_indices: np.ndarray = np.empty(len(indices), dtype=index)
    out_data = np.empty(len(data), dtype=np.float32)
    _transpose(indptr, indices, data, starts[:-1].copy(), out_indices, out_data)
    return starts, out_indices, out_data


@numba.njit(cache=True, nogil=True)
def _transpose(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    at: np.ndarray,
    out_indices: np.ndarray,
    out_data: np.ndarray,
) -> None:  # pragma: no cover (compiled)
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            column = indices[i]
            out_indices[at[column]] = row
            out_data[at[column]] = data[i]
            at[column] += 1


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)
def _product(
    indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, h: np.ndarray, out: np.ndarray
) -> None:  # pragma: no cover (compiled)
    width = out.shape[1]
    for row in numba.prange(len(indptr) - 1):
        total = out[row]
        for j in range(width):
            total[j] = 0
        at, end = indptr[row], indptr[row + 1]
        while at + 4 <= end:  # four rows of features for one pass over the result
            a, b, c, d = data[at], data[at + 1], data[at + 2], data[at + 3]
            ha, hb, hc, hd = h[indices[at]], h[indices[at + 1]], h[indices[at + 2]], h[indices[at + 3]]
            for j in range(width):
                total[j] += (a * ha[j] + b * hb[j]) + (c * hc[j] + d * hd[j])
            at += 4
        while at < end:
            value, features = data[at], h[indices[at]]
            for j in range(width):
                total[j] += value * features[j]
            at += 1
