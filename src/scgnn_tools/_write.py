"""Writing: into an AnnData, on a copy if asked and on a view without anndata's warning; and files, whole or not at all."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._errors import InputValueError

if TYPE_CHECKING:
    from anndata import AnnData


def check_writable(adata: "AnnData", *, copy: bool) -> None:
    """Refuse, before any work, an object that could not be written to."""
    if adata.isbacked and adata.is_view and not copy:
        msg = "This is a view of a backed AnnData, which cannot be written to. Pass view.to_memory(), or copy=True."
        raise InputValueError(msg)


@contextmanager
def writing(adata: "AnnData", *, copy: bool) -> Iterator["AnnData"]:
    """Yield the object to write to: ``adata``, or a copy of it (in memory, if it is backed).

    A view becomes an object of its own when it is written to; that is what the caller asked for, so there is no warning.
    The parent stays as it is.
    """
    from anndata import ImplicitModificationWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImplicitModificationWarning)
        if copy:
            adata = adata.to_memory() if adata.isbacked else adata.copy()
        yield adata


def write_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Call ``save`` with a temporary name beside ``path``, then rename: a reader never sees half a file."""
    part = path.with_name(f".{path.stem}.part-{os.getpid()}{path.suffix}")
    try:
        save(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
