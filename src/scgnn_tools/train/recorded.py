"""What ``setup_anndata`` was given, kept in ``uns`` for the models that need no registry of scvi-tools."""

from typing import TYPE_CHECKING, Any

from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._fields import root
from scgnn_tools._keys import ROOT
from scgnn_tools._modality import only_anndata
from scgnn_tools.genes.tables import checked_organism

if TYPE_CHECKING:
    from anndata import AnnData


def record(adata: "AnnData", entry: str, **given: Any) -> None:
    """Write what is not None to ``uns["sgt"][entry]``; an organism without tables is refused before."""
    if adata.is_view:
        msg = "A view cannot be set up, since it cannot be written to. Pass adata.copy()."
        raise InputValueError(msg)
    if given.get("organism") is not None:
        checked_organism(given["organism"])
    adata.uns[ROOT] = {**root(adata), entry: {k: v for k, v in given.items() if v is not None}}


def is_recorded(adata: "AnnData", entry: str) -> bool:
    """Return whether the object was set up."""
    return entry in root(only_anndata(adata))


def recorded(adata: "AnnData", entry: str, model: str) -> dict[str, Any]:
    """Return what :func:`record` wrote.

    Raises
    ------
    MissingKeyError
        If the object was not set up for the model.
    """
    if not is_recorded(adata, entry):
        msg = f"This AnnData is not set up. Call sgt.models.{model}.setup_anndata(adata) first."
        raise MissingKeyError(msg)
    return dict(adata.uns[ROOT][entry])
