"""Everything that a network is inferred from, collected from an AnnData and a prior, by one set of names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools._errors import GraphError, InputTypeError, InputValueError
from scgnn_tools._log import printable
from scgnn_tools.genes.result import WARN
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.candidates import labelled_pairs
from scgnn_tools.grn.from_anndata import Symbols, gene_vectors, log_expression, prior_edges, sampled_totals
from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.grn.pooling import Pooling, attentive_pooling
from scgnn_tools.grn.signs import known_edges


@dataclass(frozen=True)
class Data:
    """Everything by symbol: the model's where it knows the gene, else the current one.

    Attributes
    ----------
    inputs
        What the predictors use.
    known
        The edges of the prior between genes that have a vector: ``tf``, ``target``, ``mode``.
    tfs
        Factors of the data, shape (n_tfs,).
    column_of
        Column of the AnnData of each symbol; the first of several.
    params
        What was chosen.
    """

    inputs: LinkInputs
    known: pd.DataFrame
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
    model: fm.FoundationModel | None = None,
    pooling: Pooling | None = None,
) -> Data:
    """Return everything that a network is inferred from.

    ``model`` gives the vectors instead of the best bundled one: its gene table, or with ``pooling`` its hidden states over the cells.
    """
    given, model = model, fm.load(fm.best_bundled())
    names = genes.gene_names(adata.var, gene_key=gene_key)
    found = genes.match(names, model.vocabulary, organism=organism)
    weights = sampled_totals(adata, layer) if found.matched.mean() < WARN else None
    found.check(model.card.name, weights=weights, var=adata.var, stacklevel=4)
    to_symbol, of_data = Symbols(model.vocabulary, found.organism), Symbols(model.vocabulary, organism)
    organism = found.organism
    symbols = of_data(names)
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
    if given is not None and pooling is not None:
        how: dict[str, Any] = {"layer": layer, "gene_key": gene_key, "organism": organism}
        table = attentive_pooling(given, adata, pooling=pooling, **how).set_axis(symbols).dropna()
        embedding, vectors = table[~table.index.duplicated()], f"{given.card.name}, {pooling} over the cells"
    else:
        embedding, vectors = gene_vectors(adata, given or model, use_rep, symbols)
    has_vector = pd.Index(embedding.index)
    edges = edges[edges["source"].isin(has_vector) & edges["target"].isin(has_vector)].reset_index(drop=True)
    if edges.empty:
        msg = f"No edge of the prior ({prior_name}) lies between genes that have a vector ({vectors})."
        raise GraphError(msg)

    factors = None if tfs is None else _given_factors(tfs, to_symbol)
    if factors is None:
        factors = set(to_symbol(genes.transcription_factors(organism).astype(object))) | set(edges["source"])
    # sorted: the order of the columns must not decide what a method draws
    scored = np.sort(column_of.index[column_of.index.isin(has_vector)].to_numpy(dtype=object))
    here = scored[np.isin(scored, list(factors))]
    if len(here) == 0:
        msg = (
            f"No transcription factor is among the {adata.n_vars:,} genes of the data (looked for {len(factors):,}, such as "
            f"{', '.join(map(printable, sorted(factors)[:3]))}). Pass tfs= with names of the data, or gene_key=."
        )
        raise GraphError(msg)
    expression = log_expression(adata, layer, of_data, gene_key)
    inputs = LinkInputs(labelled_pairs(edges, rng=rng), embedding, scored, expression)
    params = {"prior": prior_name, "n_edges": len(edges), "organism": organism, "vectors": vectors, "n_tfs": len(here)}
    return Data(inputs, known_edges(edges), here, column_of, params)


def _given_factors(tfs: Sequence[str], to_symbol: Symbols) -> set[str]:
    if isinstance(tfs, str) or not isinstance(tfs, Sequence | np.ndarray | pd.Index | pd.Series | set | frozenset):
        msg = f"tfs is a list of names of genes, such as ['SPI1', 'IRF8']; got {printable(repr(tfs))}."
        raise InputTypeError(msg)
    names = [n for n in tfs if not (pd.api.types.is_scalar(n) and pd.isna(n))]
    odd = [n for n in names if not isinstance(n, str)]
    if odd:
        msg = f"tfs is a list of names of genes, such as ['SPI1', 'IRF8']; it holds {printable(repr(odd[0]))}."
        raise InputTypeError(msg)
    if not names:
        msg = "tfs names no gene. Leave it out to take all transcription factors that are known."
        raise InputValueError(msg)
    return set(to_symbol(np.array(names, dtype=object)))
