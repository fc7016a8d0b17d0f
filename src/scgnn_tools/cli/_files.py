"""Reading and writing of the files that the commands work on: nothing lost, nothing half-written."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._errors import InputValueError

if TYPE_CHECKING:
    from anndata import AnnData


def read(path: Path) -> "AnnData":
    """Read an ``.h5ad`` file or a zarr folder.

    Raises
    ------
    InputValueError
        If there is nothing at ``path`` or what is there cannot be read; the message says why.
    """
    import anndata as ad

    if not path.exists():
        msg = f"There is no file {path}. Pass the path of an .h5ad file or of a .zarr folder."
        raise InputValueError(msg)
    try:
        return ad.io.read_zarr(path) if path.is_dir() else ad.io.read_h5ad(path)
    except Exception as error:
        msg = f"{path} cannot be read as {'zarr' if path.is_dir() else '.h5ad'}: {error}"
        raise InputValueError(msg) from error


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not or should not be written, before any work is done."""
    _check(path, (".h5ad", ".csv"), "--output", overwrite=overwrite)


def check_export(path: Path, *, overwrite: bool) -> None:
    """Refuse an export that could not or should not be written, before any work is done."""
    _check(path, (".graphml", ".cyjs", ".csv", ".html"), "--export", overwrite=overwrite)


def _check(path: Path, endings: tuple[str, ...], option: str, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        msg = f"{path} exists. Pass --overwrite to replace it, or another {option}."
        raise InputValueError(msg)
    if path.suffix not in endings:
        msg = f"{option} ends in {', '.join(endings[:-1])} or {endings[-1]}; got {path}."
        raise InputValueError(msg)
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        msg = f"The folder {folder.resolve()} is missing or cannot be written to. Pass another {option}."
        raise InputValueError(msg)
