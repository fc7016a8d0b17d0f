"""What ``tl.infer_grn`` takes from an AnnData: genes by one set of names, the prior, vectors, factors, expression."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools._errors import GraphError, InputScaleError, MissingKeyError, SgtWarning
from scgnn_tools._log import as_text, printable
from scgnn_tools.data import open_expression
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.links._candidates import labelled_pairs
from scgnn_tools.links._run import Inputs
from scgnn_tools.links.pcc import PCC

MODES = {"Activation": 1.0, "Repression": -1.0}


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
    to_symbol = _Symbols(model.vocabulary, organism)
    found = genes.match(names, model.vocabulary, organism=organism)
    found.check(model.card.name, stacklevel=4)
    symbols = to_symbol(names)
    column_of = pd.Series(np.arange(len(symbols)), index=symbols)
    column_of = column_of[~column_of.index.duplicated()]

    edges, prior_name = _prior(adata, prior, names, organism)
    for column in ("source", "target"):
        edges[column] = to_symbol(edges[column].to_numpy(dtype=object))
    edges = check_edges(edges)
    if not (edges["source"].isin(column_of.index) | edges["target"].isin(column_of.index)).any():
        msg = (
            f"The prior ({prior_name}) shares no gene with the data: it holds {printable(edges['source'].iloc[0])}, …; the data hold "
            f"{printable(names[0])}, …. Pass gene_key= or a prior with the names of the data."
        )
        raise GraphError(msg)
    embedding, vectors = _vectors(adata, model, use_rep, symbols)
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
    expression = _expression(adata, layer, to_symbol, gene_key)
    inputs = Inputs(labelled_pairs(edges, rng=rng), embedding, scored, expression)
    params = {"prior": prior_name, "n_edges": len(edges), "organism": organism, "vectors": vectors, "n_tfs": len(here)}
    return Data(inputs, edges, here, column_of, params)


def signs(edges: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Return ``known``, ``sign`` and ``sign_from`` for each edge."""
    key = pd.MultiIndex.from_frame(edges[["tf", "target"]])
    known = key.isin(pd.MultiIndex.from_frame(data.edges[["source", "target"]]))
    sign, origin = np.full(len(edges), np.nan), np.full(len(edges), "", dtype=object)
    if data.inputs.expression is not None:
        with np.errstate(invalid="ignore"):
            r = np.sign(PCC().fit(expression=data.inputs.expression).signed(edges))
        told = np.isfinite(r) & (r != 0)
        sign[told], origin[told] = r[told], "data"
    if "mode" in data.edges:
        mode = data.edges.set_index(["source", "target"])["mode"].map(MODES).reindex(key).to_numpy()
        told = np.isfinite(mode)
        sign[told], origin[told] = mode[told], "prior"
    return pd.DataFrame({"known": known, "sign": sign, "sign_from": origin.astype(str)})


class _Symbols:
    """One name for each gene, whoever names it: that of the model where it knows the gene, else the current symbol."""

    def __init__(self, vocabulary: np.ndarray, organism: str) -> None:
        self._vocabulary, self._organism = vocabulary, organism

    def __call__(self, names: np.ndarray) -> np.ndarray:
        if len(names) == 0:
            return names
        found = genes.match(names, self._vocabulary, organism=self._organism)
        other = genes.canonical_symbols(np.asarray(names, dtype=object), organism=self._organism)
        return np.where(found.matched, found.vocabulary[found.index], other).astype(object)


def _prior(adata: ad.AnnData, prior: str | pd.DataFrame, names: np.ndarray, organism: str) -> tuple[pd.DataFrame, str]:
    if isinstance(prior, pd.DataFrame):
        return check_edges(prior), "the given table"
    if prior in ("auto", "trrust"):
        return genes.prior("trrust", organism), f"TRRUST ({organism})"
    if prior not in adata.varp:
        there = ", ".join(["trrust", *map(printable, adata.varp)])
        msg = f"prior={prior!r} is neither bundled nor in varp; there is: {there}. A DataFrame with source and target works too."
        raise MissingKeyError(msg)
    matrix = adata.varp[prior].tocoo()
    return pd.DataFrame(
        {"source": names[matrix.row], "target": names[matrix.col], "weight": matrix.data}
    ), f"varp['{prior}']"


def _vectors(
    adata: ad.AnnData, model: fm.FoundationModel, use_rep: str | None, symbols: np.ndarray
) -> tuple[pd.DataFrame, str]:
    if use_rep is None:
        return pd.DataFrame(model.gene_table(), index=model.vocabulary.astype(object)).dropna(), model.card.name
    if use_rep not in adata.varm:
        there = ", ".join(map(printable, adata.varm)) or "none"
        msg = f"use_rep={use_rep!r} is not in varm; there is: {there}. Leave it out to use the best bundled model."
        raise MissingKeyError(msg)
    table = pd.DataFrame(np.asarray(adata.varm[use_rep], dtype=np.float32), index=symbols)
    return table[~table.index.duplicated() & np.isfinite(table).all(axis=1)], f"varm['{use_rep}']"


def _expression(adata: ad.AnnData, layer: str | None, to_symbol: _Symbols, gene_key: str | None) -> ad.AnnData | None:
    """Return the log-normalised cells with symbols as names, or None if no matrix fits and none was asked for."""
    try:
        opened = open_expression(adata, layer=layer)
    except InputScaleError:
        if layer is not None:
            raise
        warnings.warn("No matrix fits: there are no signs from the data and no pcc.", SgtWarning, stacklevel=5)
        return None
    symbols = to_symbol(genes.gene_names(opened.var, gene_key=gene_key if gene_key in opened.var else None))
    var = pd.DataFrame(index=pd.Index(as_text(symbols)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names may repeat: the first counts
        return ad.AnnData(opened.log_normalized(), var=var)
