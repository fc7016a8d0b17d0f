"""Bounds of sparse matrices that come from a file: compiled code indexes with them and asks nothing."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError, SgtError

if TYPE_CHECKING:
    from anndata import AnnData

PIECE = 2**22
"""Indices of a matrix on disk that are read at once."""


def check_csr(
    indptr: np.ndarray,
    indices: np.ndarray,
    shape: tuple[int, int],
    where: str,
    *,
    error: type[SgtError] = InputValueError,
) -> None:
    """Refuse pointers that do not grow or lead out of the indices, and indices that no column has.

    Parameters
    ----------
    indptr, indices
        Of a compressed matrix, int.
    shape
        Rows and columns (of a CSC matrix, columns and rows).
    where
        What it is called in the message.
    error
        What is raised.
    """
    n_rows, n_columns = shape
    fault = None
    if indptr.ndim != 1 or indices.ndim != 1 or indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        fault = f"its pointers and indices are {indptr.dtype} and {indices.dtype}, whole numbers are wanted"
    elif len(indptr) != n_rows + 1 or indptr[0] != 0 or indptr[-1] > len(indices):
        fault = f"{len(indptr):,} pointers to {len(indices):,} entries do not make {n_rows:,} rows"
    elif (indptr[1:] < indptr[:-1]).any():
        fault = "the pointers of its rows go back"
    elif len(indices) and not (indices.min() >= 0 and indices.max() < n_columns):
        low, high = int(indices.min()), int(indices.max())
        fault = f"its entries stand in places {low:,} to {high:,}; there are {n_columns:,}, counted from 0"
    if fault is not None:
        msg = f"{where} is a damaged sparse matrix: {fault}. Write the file again, or fetch it again."
        raise error(msg)


def check_sparse(matrix: Any, where: str) -> None:
    """Check the bounds of a scipy matrix in memory; what is dense or of another kind has none."""
    if not sp.issparse(matrix):
        return
    if matrix.format in ("csr", "csc"):
        shape = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
        check_csr(matrix.indptr, matrix.indices, shape, where)
        if len(matrix.data) < matrix.indptr[-1]:
            msg = f"{where} is a damaged sparse matrix: {len(matrix.data):,} values for {matrix.indptr[-1]:,} entries."
            raise InputValueError(msg)
    elif matrix.format == "coo":
        for at, n in zip(matrix.coords, matrix.shape, strict=True):
            if len(at) and not (at.min() >= 0 and at.max() < n):
                msg = f"{where} is a damaged sparse matrix: its entries stand in places {at.min():,} to {at.max():,} of {n:,}."
                raise InputValueError(msg)


def check_backed(matrix: Any, where: str, *, whole: bool = False) -> None:
    """Check the pointers of a sparse matrix on disk, and its indices where rows cannot be taken without them.

    The indices of a CSR matrix are looked at block by block, when they are read; those of a CSC one here, a piece at a time.

    Parameters
    ----------
    matrix
        A sparse dataset of anndata; anything else passes.
    where
        What it is called in the message.
    whole
        Look at the indices of a CSR matrix here, too.
    """
    group, form = getattr(matrix, "group", None), getattr(matrix, "format", None)
    if group is None or form not in ("csr", "csc"):
        return
    shape = matrix.shape if form == "csr" else matrix.shape[::-1]
    indices = group["indices"]
    n = int(min(indices.shape[0], group["data"].shape[0]))  # an array of zarr has no length
    pointers = group["indptr"][:]
    if len(pointers) and pointers[-1] > n:
        msg = f"{where} is a damaged sparse matrix: {n:,} of {int(pointers[-1]):,} entries are there. Fetch or write it again."
        raise InputValueError(msg)
    check_csr(
        pointers, np.broadcast_to(np.zeros((), dtype=indices.dtype), n), shape, where
    )  # the indices are not read here
    if form == "csc" or whole:
        for start in range(0, n, PIECE):
            piece = indices[start : start + PIECE]
            check_csr(np.array([0, len(piece)]), piece, (1, shape[1]), where)


def check_object(adata: "AnnData") -> None:
    """Check every sparse matrix of an object that was read from a file."""
    named: dict[str, Any] = {"X": adata.X, "raw": None if adata.raw is None else adata.raw.X}
    for slot in ("layers", "obsm", "varm", "obsp", "varp"):
        named |= {f"{slot}[{key!r}]": value for key, value in getattr(adata, slot).items() if key is not None}
    for where, matrix in named.items():
        check_sparse(matrix, where)
        check_backed(matrix, where, whole=True)


def check_parent(adata: "AnnData") -> None:
    """Check what a view is taken from: taking it is the first thing that indexes."""
    if not adata.is_view:
        return
    check_object(adata._adata_ref)
    back = [isinstance(i, slice) and (i.step or 1) < 0 for i in (adata._oidx, adata._vidx)]
    if adata._adata_ref.isbacked and any(back):  # anndata cannot read all of these
        try:
            adata.X  # noqa: B018
        except (TypeError, ValueError) as error:
            msg = (
                "This is a reversed slice of an object in a file, which anndata cannot read. Take the cells or genes by number: "
                "adata[np.arange(adata.n_obs)[::-1]] in the place of adata[::-1]."
            )
            raise InputValueError(msg) from error
