"""What a model of edges reads of an AnnData: what ``setup_anndata`` was told, and the pairs, vectors and expression that this names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._modality import only_anndata
from scgnn_tools.data import open_expression
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.collect import Data, collect
from scgnn_tools.grn.given import given_networks, merged
from scgnn_tools.grn.pooling import POOLINGS, Pooling
from scgnn_tools.train.recorded import record

if TYPE_CHECKING:
    from anndata import AnnData


def set_up(
    adata: "AnnData",
    entry: str,
    *,
    layer: str | None,
    prior: "str | pd.DataFrame",
    use_rep: str | None,
    gene_key: str | None,
    organism: str | None,
) -> None:
    """Record what :meth:`LinkModel.setup_anndata` was given, after looking whether it is there."""
    adata = only_anndata(adata)
    if layer is not None:
        open_expression(adata, layer=layer)
    names = genes.gene_names(adata.var, gene_key=gene_key)
    given = given_networks(prior, organism=organism or genes.detect_organism(names), adata=adata, names=names)
    if not isinstance(prior, str):
        prior = merged({n: check_edges(t) for n, t in given.items()})
    if use_rep is not None and use_rep not in adata.varm:
        msg = f"use_rep={use_rep!r} is not in varm; there is: {', '.join(map(str, adata.varm)) or 'none'}."
        raise MissingKeyError(msg)
    record(adata, entry, layer=layer, prior=prior, use_rep=use_rep, gene_key=gene_key, organism=organism)


def collected(
    adata: "AnnData",
    setup: dict[str, Any],
    *,
    model: fm.FoundationModel | None,
    pooling: "Pooling | str | None",
    of_a_network: Pooling,
    tfs: Sequence[str] | None,
    rng: int,
) -> Data:
    """Return the pairs, the vectors and the expression; ``of_a_network`` is how hidden states are pooled where ``pooling`` is None."""
    if model is not None and "use_rep" in setup:
        msg = f"Vectors are in varm[{setup['use_rep']!r}] by the setup; leave out model=, or set up without use_rep."
        raise InputValueError(msg)
    if pooling is not None:
        choice("pooling", pooling, (*POOLINGS, "table"))
        if pooling != "table" and not isinstance(model, fm.NetworkModel):
            msg = f"pooling={pooling!r} is of hidden states, and no network gives them. Pass model=sgt.fm.load(…), or leave pooling out."
            raise InputValueError(msg)
    elif isinstance(model, fm.NetworkModel):
        pooling = of_a_network
    how: dict[str, Any] = {k: setup.get(k) for k in ("layer", "gene_key", "organism", "use_rep")}
    pooled: Any = None if pooling == "table" else pooling
    return collect(adata, setup.get("prior", "auto"), tfs=tfs, rng=rng, model=model, pooling=pooled, **how)
