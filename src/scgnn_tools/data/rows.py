"""Rows of any matrix that an AnnData can hold, as canonical CSR; the rest of the matrix is never touched."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._device import at_home
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.data.bounds import check_backed, check_sparse

SAMPLED_ROWS = 384


def prepare(matrix: Any, where: str = "The matrix") -> Any:
    """Return a matrix whose rows are quick to take, its bounds checked: CSC and other sparse formats in memory become CSR once."""
    if isinstance(matrix, np.ma.MaskedArray):
        if np.ma.is_masked(matrix):
            msg = (
                f"{where} is a masked array, and what its masked entries count as is not said. Fill them, for example "
                "adata.X = adata.X.filled(0)."
            )
            raise InputTypeError(msg)
        return matrix.data
    check_sparse(matrix, where)
    check_backed(matrix, where)
    if sp.issparse(matrix) and matrix.format != "csr":
        return matrix.tocsr()
    return matrix


def take(matrix: Any, start: int, stop: int) -> sp.csr_array:
    """Return rows ``start:stop`` as CSR float32: indices sorted, duplicates summed, zeros dropped, shape (k, n_vars).

    Parameters
    ----------
    matrix
        numpy array, scipy sparse, a backed or zarr dataset of anndata, h5py or zarr array, or dask array.
    """
    block = _run(matrix, start, stop) if sp.issparse(matrix) and matrix.format == "csr" else matrix[start:stop]
    if hasattr(block, "compute"):
        block = block.compute()
    return canonical(at_home(block))  # arrays of a GPU come home a chunk at a time


def _run(matrix: Any, start: int, stop: int) -> sp.csr_array:
    """Return rows ``start:stop`` of a CSR matrix in memory as a copy: its arrays are copied whole, where scipy goes entry by entry."""
    start, stop, _ = slice(start, stop).indices(matrix.shape[0])
    indptr = matrix.indptr[start : max(start, stop) + 1]
    here = slice(indptr[0], indptr[-1])
    arrays = matrix.data[here].copy(), matrix.indices[here].copy(), indptr - indptr[0]
    return sp.csr_array(arrays, shape=(len(indptr) - 1, matrix.shape[1]))


def canonical(block: Any) -> sp.csr_array:
    """Return a block of rows as canonical CSR float32."""
    check_dtype(block.dtype)
    check_sparse(block, "The matrix")
    sparse = sp.issparse(block)
    out = sp.csr_array(block if sparse else np.asarray(block, dtype=np.float32))
    if out.data.dtype != np.float32:
        out = out.astype(np.float32)
    if out.has_canonical_format and (out.data != 0).all():
        return out
    if sparse and np.may_share_memory(out.data, block.data):
        out = out.copy()  # what follows works in place, and this may be the user's own matrix
    out.sum_duplicates()
    out.eliminate_zeros()
    return out


def sample(matrix: Any, n_obs: int) -> sp.csr_array:
    """Return a fixed sample of at most 384 rows: three runs, from the beginning, the middle and the end."""
    if n_obs <= SAMPLED_ROWS:
        return take(matrix, 0, n_obs)
    run = SAMPLED_ROWS // 3
    starts = (0, (n_obs - run) // 2, n_obs - run)
    return sp.csr_array(sp.vstack([take(matrix, s, s + run) for s in starts], format="csr"))


def sample_by_content(matrix: Any, n_obs: int, size: int, chunk_size: int) -> sp.csr_array:
    """Return ``size`` rows that are chosen by what they hold, whatever their order; reads the matrix once, a chunk at a time."""
    starts = range(0, n_obs, chunk_size)
    return keep_by_content((take(matrix, s, min(s + chunk_size, n_obs)) for s in starts), size)


def keep_by_content(blocks: Iterable[sp.csr_array], size: int) -> sp.csr_array:
    """Return ``size`` rows out of blocks of them, chosen by what they hold, in the order in which they came."""
    kept: list[sp.csr_array] = []
    keys = np.zeros(0, dtype=np.uint64)
    for block in blocks:
        here = fingerprints(block)
        best = np.argsort(np.concatenate([keys, here]), kind="stable")[:size]
        new = np.sort(best[best >= len(keys)]) - len(keys)
        old = np.sort(best[best < len(keys)])
        rows = sp.vstack([kept[0][old], block[new]], format="csr") if kept else block[new]
        kept, keys = [sp.csr_array(rows)], np.concatenate([keys[old], here[new]])
    return kept[0]


def fingerprints(rows: sp.csr_array) -> np.ndarray:
    """Return a number for each row that depends on its values alone, not on the order of the columns, uint64 (n_rows,)."""
    bits = rows.data.astype(np.float32).view(np.uint32).astype(np.uint64)
    bits *= np.uint64(0x9E3779B97F4A7C15)
    bits ^= bits >> np.uint64(29)
    total = np.concatenate(
        [np.zeros(1, dtype=np.uint64), np.cumsum(bits, dtype=np.uint64)]
    )  # wraps around, and so does the difference
    mixed = (total[rows.indptr[1:]] - total[rows.indptr[:-1]]) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def check_dtype(dtype: Any) -> None:
    """Refuse what holds no real numbers."""
    if np.dtype(dtype).kind not in "fiub":
        msg = f"The matrix has dtype {dtype}; numbers are wanted. Convert it, for example adata.X = adata.X.astype('float32')."
        raise InputTypeError(msg)


def check_values(rows: sp.csr_array, where: str, first_row: int = 0) -> None:
    """Refuse NaN and infinity; the message says how many and where the first one is."""
    bad = ~np.isfinite(rows.data)
    if not bad.any():
        return
    at = int(np.flatnonzero(bad)[0])
    cell = first_row + int(np.searchsorted(rows.indptr, at, side="right")) - 1
    n_nan, n_inf = int(np.isnan(rows.data).sum()), int(np.isinf(rows.data).sum())
    msg = (
        f"{where} holds {n_nan} NaN and {n_inf} infinite values, the first at cell {cell}, gene {int(rows.indices[at])} "
        "(counted from 0). Remove or replace them first."
    )
    raise InputValueError(msg)
