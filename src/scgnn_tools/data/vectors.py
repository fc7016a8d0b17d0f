"""Vectors that the user brings in ``obsm`` or ``varm``, checked once and before any work."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scgnn_tools._choices import key
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._vectors import dense_vectors

if TYPE_CHECKING:
    from anndata import AnnData


def read_vectors(adata: "AnnData", use_rep: str, where: Literal["obsm", "varm"], *, todo: str = "") -> np.ndarray:
    """Return vectors of cells (``obsm``) or genes (``varm``), float32 (n, dimension).

    Raises
    ------
    MissingKeyError
        If there are none of that name; the message ends with ``todo``.
    InputTypeError
        If they are text, or sparse.
    InputValueError
        If they have no columns, or, of cells, if one is NaN or infinite. A gene may lack a vector: NaN.
    """
    table: Any = getattr(adata, where)[key("use_rep", use_rep, getattr(adata, where), where, todo=todo)]
    place = f"{where}[{printable(use_rep)!r}]"
    out = dense_vectors(table, place)
    if out.ndim != 2 or out.shape[1] == 0:
        msg = f"{place} has the shape {np.shape(table)}; one row of at least one number is wanted each."
        raise InputValueError(msg)
    bad = ~np.isfinite(out).all(axis=1) if where == "obsm" else np.isinf(out).any(axis=1)
    if bad.any():
        seen = "NaN or infinity" if where == "obsm" else "infinity"
        msg = f"{place} holds {seen} in {int(bad.sum()):,} of {len(out):,} rows, the first at {int(np.argmax(bad))} (counted from 0). "
        msg += "Take those out, or leave use_rep out."
        raise InputValueError(msg)
    return out
