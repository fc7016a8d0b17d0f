"""The one door: the AnnData that a function works on, out of whatever a user hands in."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._log import printable

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

RNA = "rna"
"""The modality of a MuData that holds the expression, if the user names no other."""

WANTED = "an AnnData or a MuData"


def modality(data: "AnnData | MuData", mod: str = RNA, *, name: str = "adata", wanted: str = WANTED) -> "AnnData":
    """Return the AnnData to read from: the object itself, or the modality ``mod`` of a MuData.

    The tables of an object that was opened with ``read_lazy`` are read; its matrices stay where they are. What is written goes through
    :func:`scgnn_tools._fields.write`, into the object that the user holds.
    """
    adata = inside(data, mod, name, wanted)
    _check_x(adata, name)
    return _with_tables(forward(adata))


def inside(data: Any, mod: str = RNA, name: str = "adata", wanted: str = WANTED) -> "AnnData":
    """Return the AnnData to write to: the object itself, or the modality ``mod`` of a MuData.

    Raises
    ------
    InputTypeError
        If ``data``, which the user passed as ``name``, is something else; the message says what to type.
    MissingKeyError
        If there is no such modality.
    """
    from anndata import AnnData

    if isinstance(data, AnnData):
        return data
    if not is_mudata(data):
        msg = f"{name} is {wanted}; got {_seen(data)}. {_todo(data)}"
        raise InputTypeError(msg)
    modalities = data.mod
    if not isinstance(mod, str) or mod not in modalities:
        msg = (
            f"mod={printable(repr(mod))} is no modality of this MuData; there is: {listed(modalities)}. "
            "Pass mod= with the one that holds the RNA."
        )
        raise MissingKeyError(msg)
    return inside(modalities[mod], mod, f"{name}.mod[{printable(mod)!r}]")


def only_anndata(data: Any, *, instead: str = "Pass the modality that holds the RNA: mdata.mod['rna'].") -> "AnnData":
    """Return the object where a MuData is not taken.

    Raises
    ------
    InputTypeError
        If it is a MuData, with what to do ``instead``, or something else.
    """
    if is_mudata(data):
        msg = f"adata is an AnnData; got {_seen(data)}. {instead}"
        raise InputTypeError(msg)
    return inside(data, wanted="an AnnData")


def is_mudata(data: Any) -> bool:
    """Tell whether an object holds modalities by name; mudata is not imported for it."""
    from anndata import AnnData

    return not isinstance(data, AnnData) and isinstance(getattr(data, "mod", None), Mapping)


def _seen(data: Any) -> str:
    if data is None:
        return "None"
    if isinstance(data, str | Path):
        return f"a path, {printable(repr(str(data)))}"
    return type(data).__name__


def _todo(data: Any) -> str:
    if data is None:
        return "Functions that write into an object return None unless copy=True: pass the object itself."
    if isinstance(data, str | Path):
        zarr = str(data).rstrip("/").endswith(".zarr")
        return f"Read it first: anndata.{'read_zarr' if zarr else 'read_h5ad'}({printable(repr(str(data)))})."
    if hasattr(data, "tables"):  # of spatialdata
        return "Pass one of its tables: sdata.tables['table']."
    if hasattr(data, "to_adata"):  # adata.raw, collections of anndata
        return "Pass what its to_adata() returns."
    if isinstance(data, pd.DataFrame):
        return "Make one: anndata.AnnData(table), cells in the rows, genes in the columns."
    if hasattr(data, "shape"):
        return "Make one: anndata.AnnData(matrix), cells in the rows, and set its var_names to the genes."
    if isinstance(data, list | tuple | dict):
        return "Join several with anndata.concat."
    return "Make one with anndata.AnnData, or read a file with anndata.read_h5ad."


def cells_of(adata: "AnnData", cells: np.ndarray) -> "AnnData":
    """Return some cells as an object of its own in memory; they are taken from the parent of a view, of which anndata makes no view."""
    if adata.is_view:
        rows, columns = _places(adata)
        some = adata._adata_ref[rows[cells], columns]
    else:
        some = adata[cells]
    return some.to_memory() if some.isbacked else some.copy()


def forward(adata: Any) -> Any:
    """Return the object, or for a reversed view of a file the same view by positions: h5py and scipy read no slice backwards."""
    if not (adata.isbacked and getattr(adata, "is_view", False) and hasattr(adata, "_oidx")):
        return adata
    backwards = any(isinstance(i, slice) and (i.step or 1) < 0 for i in (adata._oidx, adata._vidx))
    return adata._adata_ref[_places(adata)] if backwards else adata


def _check_x(adata: "AnnData", name: str) -> None:
    """Refuse an object in an ``.h5ad`` file without X: anndata raises an error of HDF5 whenever it is asked for it."""
    parent = adata._adata_ref if getattr(adata, "is_view", False) else adata
    if not parent.isbacked:
        return
    try:
        parent.X  # noqa: B018
    except KeyError as error:
        msg = (
            f"{name} lies in a file that has no X, and anndata cannot use it from there. Read it into memory "
            "(anndata.read_h5ad without backed=), or pass the path of the file where a path is taken."
        )
        raise InputValueError(msg) from error


def _places(adata: "AnnData") -> tuple[np.ndarray, np.ndarray]:
    """Return where the rows and the columns of a view are in its parent."""
    n_obs, n_vars = adata._adata_ref.shape
    return np.arange(n_obs)[adata._oidx], np.arange(n_vars)[adata._vidx]


def _with_tables(adata: "AnnData") -> "AnnData":
    """Return the object, or for one whose tables lie in a file an object that shares its matrices and holds them as pandas' own."""
    if isinstance(adata.obs, pd.DataFrame) and isinstance(adata.var, pd.DataFrame):
        return adata
    from anndata import AnnData

    raw = None if adata.raw is None else {"X": adata.raw.X, "var": _frame(adata.raw.var)}
    fields = {n: {k: _frame(v) for k, v in getattr(adata, n).items()} for n in ("obsm", "varm", "obsp", "varp")}
    layers = {k: v for k, v in adata.layers.items() if k is not None}
    return AnnData(
        adata.X,
        obs=_frame(adata.obs),
        var=_frame(adata.var),
        uns=_frames(adata.uns),
        layers=layers,
        raw=raw,
        shape=None if adata.X is not None else adata.shape,
        **fields,
    )


def _frame(value: Any) -> Any:
    return value.to_memory() if hasattr(value, "to_memory") and not isinstance(value, pd.DataFrame) else value


def _frames(value: Any) -> Any:
    return (
        {k: _frames(v) for k, v in value.items()}
        if isinstance(value, Mapping) and not hasattr(value, "to_memory")
        else _frame(value)
    )
