"""``tl.embed``: a vector for every cell and every gene."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scgnn_tools import fm
from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import ROOT, EmbeddingKeys
from scgnn_tools._log import say
from scgnn_tools._write import check_writable, writing
from scgnn_tools.data import open_expression

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData


def embed(
    adata: "AnnData",
    model: "str | fm.FoundationModel" = "auto",
    *,
    checkpoint: "str | Path | None" = None,
    layer: str | None = None,
    gene_key: str | None = None,
    organism: Literal["human", "mouse"] | None = None,
    genes: Literal["static", False] = "static",
    batch_size: int | Literal["auto"] = "auto",
    key_added: str | None = None,
    copy: bool = False,
) -> "AnnData | None":
    """Embed cells and genes with a foundation model.

    A cell's vector depends on that cell alone: not on its batch, chunk, order or run.

    Parameters
    ----------
    adata
        Cells × genes; in memory, backed, zarr or dask. Memory grows with the chunk of 8,192 cells, not with their number.
    model
        A name of ``sgt.fm.list()``, a loaded model, or "auto" for the best bundled one.
    checkpoint
        Folder of weights in the model's own format; None takes the bundled ones.
    layer
        "X", "raw" or a layer; None takes the first that fits (see :doc:`/concepts/expression`).
    gene_key
        Column of ``var`` with the gene names; None takes ``var_names``.
    organism
        Organism of the data; None finds it out. Mouse genes reach a human model through one-to-one orthologs.
    genes
        "static" writes the model's own gene vectors; False none.
    batch_size
        Most cells in a batch; "auto" goes by tokens. Halved when memory runs out.
    key_added
        Name of the result; None takes the model's name.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields, ``key`` being the model's name or ``key_added``:

    ``adata.obsm[f"X_{key}"]``
        float32 (n_obs, dimension); zeros for a cell that expresses no gene of the model.
    ``adata.varm[key]``
        float32 (n_vars, dimension); NaN for a gene that the model does not know. Only with ``genes="static"``.
    ``adata.uns["sgt"][key]``
        dict: ``params``, ``genes`` (the report of the match), ``sha256`` and ``licence`` of the weights, ``empty_cells`` (positions of
        the cells with zeros).

    Raises
    ------
    InputScaleError, InputValueError, MissingKeyError, GeneMatchError, WeightsError
        Before anything is written.
    """
    if batch_size != "auto" and (not isinstance(batch_size, int | np.integer) or batch_size < 1):
        msg = f"batch_size is 'auto' or a positive integer; got {batch_size!r}."
        raise InputValueError(msg)
    if genes not in ("static", False):
        msg = f"genes is 'static' or False; got {genes!r}."
        raise InputValueError(msg)
    check_writable(adata, copy=copy)
    loaded = _load(model, checkpoint)
    expression = open_expression(adata, layer=layer)
    found = loaded.match(expression, gene_key=gene_key, organism=organism)
    vectors, empty = loaded.embed_expression(
        expression, found, batch_size=None if batch_size == "auto" else int(batch_size)
    )
    of_genes = loaded.embed_genes(adata, gene_key=gene_key, organism=found.organism) if genes else None

    summary = found.summary()
    params = {
        "model": loaded.card.name,
        "matrix": expression.name,
        "matrix_holds": expression.kind.kind,
        "organism": found.organism,
        "gene_key": gene_key or "var_names",
        "genes": str(genes),
    }
    entry: dict[str, Any] = {
        "params": params,
        "genes": summary,
        "sha256": loaded.card.sha256,
        "licence": loaded.card.licence,
        "empty_cells": empty,
    }
    keys = EmbeddingKeys(key_added or loaded.card.name)
    with writing(adata, copy=copy) as out:
        out.obsm[keys.obsm] = vectors
        if of_genes is not None:
            out.varm[keys.varm] = of_genes
        out.uns[ROOT] = {**out.uns.get(ROOT, {}), keys.uns: entry}
    why = "the best bundled model" if isinstance(model, str) and model == "auto" else "as asked"
    say(
        f"embed: {loaded.card.name} ({why}) on {expression.name} ({expression.kind.kind}), {summary['n_matched']:,} of "
        f"{summary['n_genes']:,} genes -> obsm['{keys.obsm}']" + (f", varm['{keys.varm}']" if genes else "")
    )
    return out if copy else None


def _load(model: "str | fm.FoundationModel", checkpoint: "str | Path | None") -> "fm.FoundationModel":
    if isinstance(model, fm.FoundationModel):
        if checkpoint is not None:
            msg = "checkpoint= goes with the name of a model; a loaded model has its weights. Leave one of them out."
            raise InputValueError(msg)
        return model
    return fm.load(fm.best_bundled() if model == "auto" else model, checkpoint=checkpoint)
