"""What ``setup_anndata`` was given, kept in ``uns`` for the models that need no registry of scvi-tools."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scgnn_tools._columns import column_of
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._fields import root
from scgnn_tools._keys import ROOT
from scgnn_tools._modality import only_anndata
from scgnn_tools.data import open_expression
from scgnn_tools.genes import gene_names
from scgnn_tools.genes.tables import checked_organism

if TYPE_CHECKING:
    from anndata import AnnData


def set_up(
    adata: "AnnData",
    entry: str,
    *,
    layer: str | None,
    gene_key: str | None,
    columns: Mapping[str, str | None] = MappingProxyType({}),
    every_feature: bool = False,
    **more: Any,
) -> None:
    """Record what a ``setup_anndata`` was given, after looking whether the expression, the names of the genes and the columns are there.

    Parameters
    ----------
    adata
        The object.
    entry
        Of ``uns["sgt"]``.
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    columns
        Columns of ``obs`` by argument; None is not asked for.
    every_feature
        Whether features that are no genes stay.
    more
        What is recorded as it is.
    """
    open_expression(only_anndata(adata), layer=layer, every_feature=every_feature)
    gene_names(adata.var, gene_key=gene_key)
    for name, key in columns.items():
        if key is not None:
            column_of(adata.obs, key, name)
    record(adata, entry, layer=layer, gene_key=gene_key, **columns, **more)


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
