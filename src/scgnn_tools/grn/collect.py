"""Everything that a network is inferred from, collected from an AnnData and a prior, by one set of names."""

from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools._choices import did_you_mean
from scgnn_tools._choices import listed as listed_names
from scgnn_tools._errors import GraphError
from scgnn_tools._log import as_text, counted, printable, say
from scgnn_tools.genes.result import WARN
from scgnn_tools.genes.tables import noncoding
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.candidates import labelled_pairs
from scgnn_tools.grn.from_anndata import Symbols, SymbolsOfData, log_expression, sampled_totals, vectors_by_symbol
from scgnn_tools.grn.given import conflicts, given_factors, given_networks, merged
from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.grn.pooling import Pooling, attentive_pooling
from scgnn_tools.grn.signs import known_edges

MOST_CELLS = 20_000
"""Cells that a network is inferred from; of more, so many are drawn."""


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
    mask
        Pairs that can be edges, ``source``, ``target``; None where all can.
    cells
        Rows of the AnnData that the expression holds, sorted; None for all.
    listed
        All genes that the bundled list of the organism calls transcription factors, cofactors too.
    """

    inputs: LinkInputs
    known: pd.DataFrame
    tfs: np.ndarray
    column_of: pd.Series
    params: dict[str, Any]
    mask: pd.DataFrame | None = None
    cells: np.ndarray | None = None
    listed: frozenset[str] = frozenset()

    def allowed(self, tfs: np.ndarray) -> np.ndarray | None:
        """Return which pairs can be edges, bool (n_tfs, n_genes); None for all."""
        if self.mask is None:
            return None
        i = pd.Index(tfs).get_indexer(self.mask["source"])
        j = pd.Index(self.inputs.genes).get_indexer(self.mask["target"])
        there = (i >= 0) & (j >= 0)
        out = np.zeros((len(tfs), len(self.inputs.genes)), dtype=bool)
        out[i[there], j[there]] = True
        return out


def collect(
    adata: ad.AnnData,
    prior: Any,
    *,
    tfs: Any,
    mask: Any = None,
    use_rep: str | None,
    layer: str | None,
    gene_key: str | None,
    organism: str | None,
    rng: int,
    model: fm.FoundationModel | None = None,
    pooling: Pooling | None = None,
    most_cells: int | None = MOST_CELLS,
    groupby: str | None = None,
) -> Data:
    """Return everything that a network is inferred from.

    Of more than ``most_cells`` cells so many are drawn, of every group of ``groupby``, before any is normalised.
    ``model`` gives the vectors instead of the best bundled one: its gene table, or with ``pooling`` its hidden states over the cells.
    """
    given, model = model, fm.load(fm.best_bundled())
    names = genes.gene_names(adata.var, gene_key=gene_key)
    found = genes.match(names, model.vocabulary, organism=organism)
    weights = sampled_totals(adata, layer) if found.matched.mean() < WARN else None
    found.check(model.card.name, weights=weights, var=adata.var)
    to_symbol, of_data = Symbols(model.vocabulary, found.organism), Symbols(model.vocabulary, organism)
    organism = found.organism
    symbols = of_data(names)
    column_of = pd.Series(np.arange(len(symbols)), index=symbols)
    column_of = column_of[~column_of.index.duplicated()]
    of_table = SymbolsOfData(names, symbols, to_symbol)

    edges, prior_name = _prior(given_networks(prior, organism=organism, adata=adata, names=names), of_table)
    possible, mask_name = None, ""
    if mask is not None:
        given_mask = given_networks(mask, organism=organism, adata=adata, names=names, argument="mask")
        possible, mask_name = _prior(given_mask, of_table)
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
        embedding, vectors = vectors_by_symbol(adata, given or model, use_rep, symbols)
    has_vector = pd.Index(embedding.index)
    edges = edges[edges["source"].isin(has_vector) & edges["target"].isin(has_vector)].reset_index(drop=True)
    if edges.empty:
        msg = f"No edge of the prior ({prior_name}) lies between genes that have a vector ({vectors})."
        raise GraphError(msg)

    factors = None if tfs is None else set(of_table(given_factors(tfs)))
    long_list = frozenset(to_symbol(genes.transcription_factors(organism, curated=False).astype(object)))
    if factors is None:
        listed = set(to_symbol(genes.transcription_factors(organism).astype(object)))
        factors = listed | _proteins(set(edges["source"]) & set(column_of.index), listed, organism)
    # sorted: the order of the columns must not decide what a method draws
    scored = np.sort(column_of.index[column_of.index.isin(has_vector)].to_numpy(dtype=object))
    here = scored[np.isin(scored, list(factors))]
    if len(here) == 0:
        there = [str(n) for n in scored if n in long_list] or list(map(str, scored))
        near = did_you_mean(sorted(factors)[0], there) if tfs is not None else ""
        msg = (
            f"No transcription factor is among the {adata.n_vars:,} genes of the data (looked for {len(factors):,}, such as "
            f"{', '.join(map(printable, sorted(factors)[:3]))}). Pass tfs= with names of the data, or gene_key=.{near}"
        )
        raise GraphError(msg)
    if tfs is not None:
        _say_lacking(sorted(factors - set(here)))
    strata = None if groupby is None else pd.factorize(as_text(adata.obs[groupby]), sort=True)[0]
    expression, cells = log_expression(adata, layer, of_data, gene_key, most_cells=most_cells, strata=strata)
    inputs = LinkInputs(labelled_pairs(edges, rng=rng), embedding, scored, expression)
    params = {"prior": prior_name, "n_edges": len(edges), "organism": organism, "vectors": vectors, "n_tfs": len(here)}
    params |= {k: v for k, v in (("gene_key", gene_key), ("mask", mask_name)) if v}
    if cells is not None:
        params["n_cells"] = len(cells)
        say(f"infer_grn: {len(cells):,} of {adata.n_obs:,} cells are drawn, by what they hold; most_cells= takes more")
    data = Data(inputs, known_edges(edges), here, column_of, params, possible, cells, long_list)
    allowed = data.allowed(here)
    if allowed is not None and not allowed.any():
        msg = (
            f"The mask ({mask_name}) allows no pair of the {len(here):,} factors and {len(scored):,} genes of the data."
        )
        raise GraphError(msg)
    return data


def _say_lacking(names: list[str]) -> None:
    """Say which named transcription factors are not scored."""
    if names:
        what = "is no gene" if len(names) == 1 else "are no genes"
        told = listed_names(names[:5]) + (", …" if len(names) > 5 else "")
        say(f"infer_grn: {counted(len(names), 'name')} of tfs= {what} of the data with a vector: {told}")


def _proteins(sources: set[str], listed: set[str], organism: str) -> set[str]:
    """Return the sources of a prior that can be transcription factors: an RNA that is on no list of them is left out, and named."""
    rnas = sorted((sources & noncoding(organism)) - listed)
    if rnas:
        what = "an RNA and no transcription factor" if len(rnas) == 1 else "RNAs and no transcription factors"
        told = f"{'is' if len(rnas) == 1 else 'are'} {what}"
        say(f"infer_grn: {listed_names(rnas)} of the prior {told}, and left out; tfs= with their names keeps them")
    return sources - set(rnas)


def _prior(given: dict[str, pd.DataFrame], to_symbol: SymbolsOfData) -> tuple[pd.DataFrame, str]:
    """Return the edges of one or several tables by symbol, and what to call them."""
    tables = {}
    for name, table in given.items():
        edges = check_edges(table)
        tables[name] = check_edges(
            edges.assign(**{c: to_symbol(edges[c].to_numpy(dtype=object)) for c in ("source", "target")})
        )
    edges = merged(tables)
    n = conflicts(tables, edges)
    if n:
        say(f"infer_grn: the priors disagree on the mode of {counted(n, 'edge')}, left without a sign from them")
    return edges, ", ".join(tables)
