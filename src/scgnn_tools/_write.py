"""Writing into an AnnData: on a copy if asked, and on a view without the warning that anndata gives for it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData


@contextmanager
def writing(adata: "AnnData", *, copy: bool) -> Iterator["AnnData"]:
    """Yield the object to write to: ``adata``, or a copy of it (in memory, if it is backed).

    A view becomes an object of its own when it is written to; that is what the caller asked for, so it is not warned of.
    The parent stays as it is.
    """
    from anndata import ImplicitModificationWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImplicitModificationWarning)
        if copy:
            adata = adata.to_memory() if adata.isbacked else adata.copy()
        yield adata
