"""What ``tl.infer_grn`` takes from an AnnData: genes by one set of names, the prior, vectors, factors, expression."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import fm, genes
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import printable
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.links._candidates import labelled_pairs
from scgnn_tools.links._from_anndata import Symbols, gene_vectors, log_expression, prior_edges
from scgnn_tools.links._registry import PREDICTORS
from scgnn_tools.links._run import Inputs

MODES = {"Activation": 1.0, "Repression": -1.0}
MIN_CELLS = 10
"""Fewer cells give no correlation, and no share of cells to speak of."""


@dataclass(frozen=True)
class Data:
    """Everything by symbol: the model's where it knows the gene, else the current one.

    Attributes
    ----------
    inputs
        What the predictors use.
    edges
        The prior between genes that have a vector.
    tfs
        Factors of the data, shape (n_tfs,).
    column_of
        Column of the AnnData of each symbol; the first of several.
    params
        What was chosen.
    """

    inputs: Inputs
    edges: pd.DataFrame
    tfs: np.ndarray
    column_of: pd.Series
    params: dict[str, Any]


def collect(
    adata: ad.AnnData,
    prior: str | pd.DataFrame,
    *,
    tfs: Sequence[str] | None,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    organism: str | None,
    rng: int,
) -> Data:
    """Return everything that a network is inferred from."""
    model = fm.load(fm.best_bundled())
    names = genes.gene_names(adata.var, gene_key=gene_key)
    organism = organism or genes.detect_organism(names)
    to_symbol = Symbols(model.vocabulary, organism)
    found = genes.match(names, model.vocabulary, organism=organism)
    found.check(model.card.name, stacklevel=4)
    symbols = to_symbol(names)
    column_of = pd.Series(np.arange(len(symbols)), index=symbols)
    column_of = column_of[~column_of.index.duplicated()]

    edges, prior_name = prior_edges(adata, prior, names, organism)
    for column in ("source", "target"):
        edges[column] = to_symbol(edges[column].to_numpy(dtype=object))
    edges = check_edges(edges)
    if not (edges["source"].isin(column_of.index) | edges["target"].isin(column_of.index)).any():
        msg = (
            f"The prior ({prior_name}) shares no gene with the data: it holds {printable(edges['source'].iloc[0])}, …; the data hold "
            f"{printable(names[0])}, …. Pass gene_key= or a prior with the names of the data."
        )
        raise GraphError(msg)
    embedding, vectors = gene_vectors(adata, model, use_rep, symbols)
    has_vector = pd.Index(embedding.index)
    edges = edges[edges["source"].isin(has_vector) & edges["target"].isin(has_vector)].reset_index(drop=True)
    if edges.empty:
        msg = f"No edge of the prior ({prior_name}) lies between genes that have a vector ({vectors})."
        raise GraphError(msg)

    factors = set(to_symbol(np.array(list(tfs), dtype=object))) if tfs is not None else None
    if factors is None:
        factors = set(to_symbol(genes.transcription_factors(organism).astype(object))) | set(edges["source"])
    scored = column_of.index[column_of.index.isin(has_vector)].to_numpy(dtype=object)
    here = scored[np.isin(scored, list(factors))]
    if len(here) == 0:
        msg = (
            f"No transcription factor is among the {adata.n_vars:,} genes of the data (looked for {len(factors):,}, such as "
            f"{', '.join(map(printable, sorted(factors)[:3]))}). Pass tfs= with names of the data, or gene_key=."
        )
        raise GraphError(msg)
    expression = log_expression(adata, layer, to_symbol, gene_key)
    inputs = Inputs(labelled_pairs(edges, rng=rng), embedding, scored, expression)
    params = {"prior": prior_name, "n_edges": len(edges), "organism": organism, "vectors": vectors, "n_tfs": len(here)}
    return Data(inputs, edges, here, column_of, params)


def check_expression(data: Data, method: str) -> None:
    """Refuse, before any training, a method that needs expression where there is none to learn from."""
    if "expression" not in PREDICTORS[method].needs:
        return
    expression = data.inputs.expression
    if expression is None:
        msg = f"{method} needs expression of the data, and no matrix of the AnnData fits. Put counts into adata.layers['counts']."
        raise GraphError(msg)
    if expression.n_obs < MIN_CELLS:
        msg = f"{method} learns from expression and needs at least {MIN_CELLS} cells; there are {expression.n_obs}."
        raise InputValueError(msg)
    x = sp.csc_array(expression.X)
    spread = np.asarray(x.max(axis=0).todense() - x.min(axis=0).todense()).ravel()
    if not (spread > 0).any():
        msg = f"{method} learns from expression, and all {expression.n_vars:,} genes are constant over the cells."
        raise InputValueError(msg)


def known_and_signs(edges: pd.DataFrame, correlation: np.ndarray, data: Data) -> pd.DataFrame:
    """Return ``known``, ``sign`` and ``sign_from`` for each edge: the prior's mode, else the sign of the correlation."""
    key = pd.MultiIndex.from_frame(edges[["tf", "target"]])
    known = key.isin(pd.MultiIndex.from_frame(data.edges[["source", "target"]]))
    sign, origin = np.full(len(edges), np.nan), np.full(len(edges), "", dtype=object)
    told = np.isfinite(correlation) & (correlation != 0)
    sign[told], origin[told] = np.sign(correlation[told]), "data"
    if "mode" in data.edges:
        mode = data.edges.set_index(["source", "target"])["mode"].map(MODES).reindex(key).to_numpy()
        told = np.isfinite(mode)
        sign[told], origin[told] = mode[told], "prior"
    return pd.DataFrame({"known": known, "sign": sign, "sign_from": origin.astype(str)}, index=edges.index)
