"""The matrix and the columns of an AnnData of knock-outs, checked."""

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import key as known_key
from scgnn_tools._columns import column_of, without_value
from scgnn_tools._errors import InputValueError, LabelError
from scgnn_tools._log import as_text, printable

if TYPE_CHECKING:
    from anndata import AnnData

STUDY = "study"
"""Column of the studies, which may be missing where nobody named another."""


def matrix(adata: "AnnData", layer: str | None) -> np.ndarray:
    """Return X or a layer in memory, float64 (n_obs, n_vars); what is not finite is an error."""
    if layer is not None and layer != "X":
        known_key("layer", layer, adata.layers, "layers")
    values = adata.X if layer in (None, "X") else adata.layers[layer]
    if values is None or 0 in adata.shape:
        msg = f"The object holds no values ({adata.n_obs} samples × {adata.n_vars} genes). Pass one with samples, or layer=."
        raise InputValueError(msg)
    for name in ("to_memory", "compute"):  # the sparse matrix of a backed object, and what dask has not read yet
        values = getattr(values, name)() if hasattr(values, name) else values
    x = np.asarray(values.todense() if sp.issparse(values) else values)
    if x.dtype.kind not in "fiu" or not np.isfinite(x.astype(np.float64)).all():
        msg = f"{'X' if layer is None else layer} holds NaN, infinity or no numbers; finite values are wanted."
        raise InputValueError(msg)
    return x.astype(np.float64)


def column(adata: "AnnData", name: str, argument: str, *, asked: np.ndarray | None = None) -> np.ndarray:
    """Return a column as text, "" for none; a row that is ``asked`` and holds nothing is an error."""
    values = column_of(adata.obs, name, argument)
    lacks = without_value(values)
    bad = lacks if asked is None else lacks & asked
    if bad.any():
        msg = f"obs[{printable(name)!r}] holds NaN or blank text in {int(bad.sum())} rows. Fill it, or leave those out."
        raise LabelError(msg)
    out = as_text(values)
    out[lacks] = ""
    return out


def studies(adata: "AnnData", study_key: str | None) -> np.ndarray:
    """Return the study of each row as text, "" where there are none."""
    if study_key is None or (study_key == STUDY and study_key not in adata.obs):
        return np.full(adata.n_obs, "", dtype=object)
    return column(adata, study_key, "study_key")
