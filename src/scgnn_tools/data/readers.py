"""Cells out of any file that laboratories exchange: .h5ad, .zarr, 10x .h5, .loom, a folder of 10x .mtx, tables of text."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text, printable
from scgnn_tools._write import as_path
from scgnn_tools.data.bounds import check_object
from scgnn_tools.data.files import open_file
from scgnn_tools.genes.names import share_known

if TYPE_CHECKING:
    from anndata import AnnData

NATIVE = (".h5ad", "zarr")
TABLES = (".csv", ".tsv", ".txt")
KINDS = ".h5ad, .zarr, .h5 (10x), .loom, .csv, .tsv or .txt (also .gz), or a folder with matrix.mtx"


@door
def read_cells(path: str | Path) -> "AnnData":
    """Read the cells of a file, whatever its kind.

    Parameters
    ----------
    path
        An ``.h5ad`` file, a ``.zarr`` folder, a 10x ``.h5`` file, a ``.loom`` file, a folder with ``matrix.mtx`` (or ``.mtx.gz``), genes
        and barcodes, or a table of text, ``.csv``, ``.tsv`` or ``.txt``, packed by gzip or not. In a table genes may be the rows or the
        columns: the side whose names are known genes is taken.

    Raises
    ------
    InputValueError
        If there is nothing at ``path`` or what is there cannot be read; the message says why.

    Examples
    --------
    >>> adata.to_df().to_csv("cells.csv")
    >>> cells = sgt.data.read_cells("cells.csv")
    >>> cells.shape
    (206, 1000)
    """
    path = as_path("path", path)
    if not path.exists():
        msg = f"There is no file {path}. Pass the path of cells: {KINDS}."
        raise InputValueError(msg)
    name = "cells"
    try:
        name, read = _reader(path)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*not unique", category=UserWarning
            )  # names that a file repeats are made unique
            adata = read(path)
            check_object(adata)
    except Exception as error:
        msg = f"{path} cannot be read as {name}: {printable(error, limit=300)}"
        raise InputValueError(msg) from error
    if name not in NATIVE:  # others may repeat names, and what is written later holds each once
        adata.obs_names_make_unique()
        adata.var_names_make_unique()
    return adata


def open_cells(path: str | Path) -> "AnnData":
    """Open the cells of a file: of ``.h5ad`` and zarr the tables are read and the matrices stay on disk, others are read."""
    path = as_path("path", path)
    try:
        native = path.exists() and _reader(path)[0] in NATIVE
    except OSError:  # a folder that may not be looked into, which the reader says
        native = False
    return open_file(path) if native else read_cells(path)


def _reader(path: Path) -> "tuple[str, Callable[[Path], AnnData]]":
    import anndata as ad

    suffixes = [s.lower() for s in path.suffixes]
    last = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    if path.is_dir():
        if any((path / f"matrix.mtx{end}").is_file() for end in ("", ".gz")):
            return "a 10x folder", _mtx
        return NATIVE[1], ad.io.read_zarr
    if last in TABLES:
        return f"a table {last}", _table
    if last == ".loom":
        return ".loom", _loom
    if last == ".h5":
        return "10x .h5", _tenx
    return NATIVE[0], ad.io.read_h5ad


def _tenx(path: Path) -> "AnnData":
    import scanpy as sc

    return sc.read_10x_h5(path)


def _mtx(path: Path) -> "AnnData":
    import scanpy as sc

    return sc.read_10x_mtx(path)


def _loom(path: Path) -> "AnnData":
    """Read a loom file (genes × cells, HDF5) a slice of cells at a time; attributes of one value a cell or gene are kept."""
    import anndata as ad
    import h5py

    with h5py.File(path) as file:
        matrix, n_obs = file["matrix"], file["matrix"].shape[1]
        blocks = [sp.csr_matrix(matrix[:, i : i + 2048].T) for i in range(0, n_obs, 2048)]
        obs = _attributes(file["col_attrs"], n_obs, ("CellID", "obs_names", "cell_id", "barcode"))
        var = _attributes(file["row_attrs"], matrix.shape[0], ("Gene", "var_names", "gene_name", "Accession"))
    return ad.AnnData(sp.csr_matrix(sp.vstack(blocks)).astype(np.float32), obs=obs, var=var)


def _attributes(group: Any, n: int, names: tuple[str, ...]) -> pd.DataFrame:
    columns = {}
    for key, value in group.items():
        if hasattr(value, "shape") and value.shape == (n,):
            plain = value.asstr()[:] if value.dtype.kind == "O" else value[:]
            columns[key] = np.char.decode(plain, "utf-8") if plain.dtype.kind == "S" else plain
    name = next((k for k in names if k in columns), None)
    index = map(str, range(n)) if name is None else as_text(columns.pop(name))
    return pd.DataFrame(columns, index=pd.Index(list(index), dtype=object))


def _table(path: Path) -> "AnnData":
    import anndata as ad

    frame = pd.read_csv(path, sep=None, engine="python", index_col=0, compression="infer")
    if not len(frame.columns) or not all(kind.kind in "iuf" for kind in frame.dtypes):
        text = [printable(c) for c, kind in frame.dtypes.items() if kind.kind not in "iuf"]
        msg = f"a table holds numbers beside one column and one row of names; of {len(frame.columns)} columns these do not: {text[:3]}"
        raise InputValueError(msg)
    if _known(frame.index) > _known(frame.columns):
        frame = frame.T
    matrix = sp.csr_matrix(frame.to_numpy(dtype=np.float32))
    obs, var = (pd.DataFrame(index=pd.Index(as_text(names), dtype=object)) for names in (frame.index, frame.columns))
    return ad.AnnData(matrix, obs=obs, var=var)


def _known(names: pd.Index) -> float:
    """Return the share of names that are genes of man or mouse."""
    return share_known(pd.Index(as_text(names)))
