"""Files of cells, opened and not read: the matrices stay on disk, rows are taken from them when they are needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path
from scgnn_tools.data.batches import CHUNK

if TYPE_CHECKING:
    from anndata import AnnData

BROKEN = (OSError, KeyError, ValueError, TypeError, AttributeError, EOFError)
"""What anndata, HDF5 and zarr raise for a file that is damaged or something else; errors of this package are ValueErrors."""


@door
def open_file(path: str | Path) -> "AnnData":
    """Open an ``.h5ad`` file or a zarr folder; its tables are read, its matrices stay where they are.

    Raises
    ------
    InputValueError
        If there is nothing at ``path``, or what is there are no cells; the message says why.

    Examples
    --------
    >>> query.write_h5ad("cells.h5ad")
    >>> cells = sgt.data.open_file("cells.h5ad")
    >>> cells.shape
    (53, 1000)
    """
    path = as_path("path", path)
    if not path.exists():
        msg = f"There is no file {path}. Pass the path of an .h5ad file or of a .zarr folder."
        raise InputValueError(msg)
    try:
        return open_zarr(path) if path.is_dir() else open_h5ad(path)
    except BROKEN as error:
        kind = "zarr" if path.is_dir() else ".h5ad"
        msg = f"{path} cannot be read as {kind}: {printable(error, limit=300)}"
        raise InputValueError(msg) from error


def open_h5ad(path: Path) -> "AnnData":
    """Open an ``.h5ad`` file; anndata's own backed mode would read its layers."""
    import h5py

    return _open(h5py.File(path, "r"))


def open_zarr(path: Path) -> "AnnData":
    """Open a zarr folder of format 2 or 3; the parts of a collection are one object, one behind the other."""
    import zarr

    parts = parts_of(path)
    if parts != [path]:
        return _joined([zarr.open_group(p, mode="r") for p in parts])
    return _open(zarr.open_group(path, mode="r"))


def parts_of(path: Path) -> list[Path]:
    """Return the parts of a collection as annbatch writes it, a folder of zarr folders that hold cells each; else the path itself."""
    if not path.is_dir() or (path / "obs").exists():
        return [path]
    inside = [p for p in path.iterdir() if (p / "obs").is_dir() and (p / "var").is_dir()]
    numbered = sorted(inside, key=lambda p: (len(p.name), p.name))  # dataset_2 before dataset_10
    return numbered if numbered and not any(p.suffix for p in inside) else [path]


def _joined(groups: list[Any]) -> "AnnData":
    """Return the parts of a collection as one object whose matrix stays on disk."""
    import anndata as ad
    import pandas as pd
    from anndata.io import read_elem

    try:
        import dask.array as da
        from anndata.experimental import read_elem_lazy
    except ImportError as error:
        msg = "A collection of several parts is read with dask. Install it: pip install 'scgnn_tools[dask]'"
        raise MissingExtraError(msg) from error
    var = [read_elem(g["var"]) for g in groups]
    if any(not v.index.equals(var[0].index) for v in var[1:]):
        msg = "its parts have other genes than each other"
        raise ValueError(msg)
    x = da.concatenate([read_elem_lazy(g["X"], chunks=(CHUNK, len(var[0]))) for g in groups], axis=0)
    return ad.AnnData(x, obs=pd.concat([read_elem(g["obs"]) for g in groups]), var=var[0])


def _open(group: Any) -> "AnnData":
    import anndata as ad
    from anndata.io import read_elem

    if "obs" not in group or "var" not in group:
        msg = f"it holds no obs and var, but {', '.join(sorted(group)[:5]) or 'nothing'}"
        raise KeyError(msg)
    parts: dict[str, Any] = {"X": _matrix(group["X"]) if "X" in group else None}
    parts["layers"] = {name: _matrix(group["layers"][name]) for name in group.get("layers", {})}
    if "raw" in group and group["raw"].attrs.get("encoding-type") != "null":
        parts["raw"] = {"X": _matrix(group["raw"]["X"]), "var": read_elem(group["raw"]["var"])}
    obs, var = read_elem(group["obs"]), read_elem(group["var"])
    shape = (len(obs), len(var)) if parts["X"] is None else None
    return ad.AnnData(**parts, obs=obs, var=var, shape=shape)


def _matrix(node: Any) -> Any:
    """Return a matrix on disk if its rows can be read alone, else the matrix."""
    from anndata.io import read_elem, sparse_dataset

    kind = node.attrs.get("encoding-type")
    if kind == "csr_matrix":
        return sparse_dataset(node)
    return node if kind == "array" else read_elem(node)
