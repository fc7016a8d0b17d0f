"""Reading and writing of the files that the commands work on: nothing lost, nothing half-written."""

import argparse
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path, check_possible, free_space, target_of
from scgnn_tools.data.readers import read_cells as read  # noqa: F401 (the one reader of the commands)

if TYPE_CHECKING:
    from anndata import AnnData

HEADER, TABLE = 2**16, 2**11
"""Bytes of an ``.h5ad`` file without data, and of a group in it."""


def check_space(path: Path, adata: "AnnData") -> None:
    """Refuse an output that the disk has no space for; HDF5 does not say it in a line, if it gets that far.

    Raises
    ------
    InputValueError
        If less is left than the object has in memory.
    """
    needed, folder = size_of(adata), target_of(path).parent
    free = free_space(folder)
    if needed > free:
        msg = f"{path} needs up to {needed / 1e6:,.1f} MB, and {folder} has {free / 1e6:,.1f} MB left. Pass another --output."
        raise InputValueError(msg)


def reason(error: OSError) -> str:
    """Say in a line what the system refused; HDF5 says it in many."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return f"{os.strerror(error.errno)}: nothing was written"
    return printable(error, limit=300)


def size_of(adata: "AnnData") -> int:
    """Return the bytes that an object can have in a file, its text and the file's own tables among them."""
    parts: list[Any] = [adata.X, adata.obs, adata.var, adata.uns]
    parts += [v for slot in ("layers", "obsm", "varm", "obsp", "varp") for v in getattr(adata, slot).values()]
    if adata.raw is not None:
        parts += [adata.raw.X, adata.raw.var]
    return HEADER + sum(map(_bytes, parts))


def _bytes(part: Any) -> int:
    if part is None:
        return 0
    if sp.issparse(part):
        arrays = (getattr(part, k) for k in ("data", "indices", "indptr", "row", "col") if hasattr(part, k))
        return sum(a.nbytes for a in arrays)
    if isinstance(part, pd.DataFrame | pd.Series):
        return int(np.sum(part.memory_usage(index=True, deep=True)))
    if isinstance(part, Mapping):
        return TABLE + sum(_bytes(v) for v in part.values())
    return int(getattr(part, "nbytes", TABLE))


def check_place(args: argparse.Namespace) -> None:
    """Refuse no output, and two of them, and what goes with the other one."""
    word, output, store, shard = args.word, args.output, args.store, args.shard
    if (output is None) == (store is None):
        seen = "neither" if output is None else "both"
        msg = f"`sgt {word}` wants --output or --store, not both; got {seen}."
        raise InputValueError(msg)
    if shard is not None and store is None:
        msg = "--shard goes with --store: several workers write one store, not one file."
        raise InputValueError(msg)
    if store is not None and args.overwrite and getattr(args, "save", None) is None:
        msg = "--overwrite goes with --output: a store goes on where it was. Leave it out, or remove the store first."
        raise InputValueError(msg)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not or should not be written, before any work is done."""
    _check(path, (".h5ad", ".csv"), "--output", overwrite=overwrite)


def check_export(path: Path, *, overwrite: bool) -> None:
    """Refuse an export that could not or should not be written, before any work is done."""
    _check(path, (".graphml", ".cyjs", ".csv", ".tsv", ".gmt", ".parquet", ".html"), "--export", overwrite=overwrite)


def check_figure(path: Path, *, overwrite: bool) -> None:
    """Refuse a figure that could not or should not be written, before any work is done."""
    _check(path, (".png", ".pdf", ".svg"), "--figure", overwrite=overwrite)


def check_save(save: Path | None, output: Path | None, *, overwrite: bool = False, hint: str = "") -> None:
    """Refuse a folder of ``--save`` that could not or should not be written, before any work is done."""
    if save is None:
        return
    from scgnn_tools.fm import saves

    save = as_path("--save", save)
    if save.exists() and not overwrite:
        msg = f"{save} exists. Pass {hint}another --save."
        raise InputValueError(msg)
    if output is not None:
        check_distinct([output, save], "--output and --save")
    saves.check_save(save, overwrite=overwrite)


def check_distinct(paths: list[Path], by: str = "--output and --export") -> None:
    """Refuse two outputs of one name, or one within another: the second would replace the first, or find no place."""
    names = [target_of(p).absolute() for p in paths]
    for path, name in zip(paths, names, strict=True):
        if names.count(name) > 1:
            msg = f"{path} is given twice, by {by}. Pass another path."
            raise InputValueError(msg)
        if any(name in other.parents for other in names):
            msg = f"{path} is given twice, by {by}: one path lies within the other. Pass another path."
            raise InputValueError(msg)


def ending(path: Path) -> str:
    """Return how the name of a file ends, in small letters."""
    return path.suffix.lower()


def _check(path: Path, endings: tuple[str, ...], option: str, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        msg = f"{path} exists. Pass --overwrite to replace it, or another {option}."
        raise InputValueError(msg)
    known = path.suffix if ending(path) == ".h5ad" else ending(path)  # scanpy reads .h5ad in small letters alone
    if known not in endings:
        msg = f"{option} ends in {', '.join(endings[:-1])} or {endings[-1]}; got {path}."
        raise InputValueError(msg)
    if path.is_dir():
        msg = f"{path} is a folder; {option} is a file. Pass another {option}."
        raise InputValueError(msg)
    folder = target_of(path).parent  # a link stays, what it leads to is replaced
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        msg = f"The folder {folder.resolve()} is missing or cannot be written to. Pass another {option}."
        raise InputValueError(msg)
    check_possible(path)
