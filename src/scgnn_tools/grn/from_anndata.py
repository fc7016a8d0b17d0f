"""What a network is inferred from, out of an AnnData: one name a gene, the edges of a prior, vectors, expression."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import fm, genes
from scgnn_tools._errors import InputScaleError, InputTypeError, MissingKeyError, SgtWarning
from scgnn_tools._log import as_text, printable
from scgnn_tools.data import noted, open_expression
from scgnn_tools.data.bounds import check_sparse
from scgnn_tools.data.vectors import read_vectors
from scgnn_tools.graph.prior import check_edges


class Symbols:
    """One name for each gene, whoever names it: that of the model where it knows the gene, else the current symbol.

    The organism is None for names of the data that nobody named it for: then a gene in another case is not the model's.
    """

    def __init__(self, vocabulary: np.ndarray, organism: str | None) -> None:
        self._vocabulary, self._organism = vocabulary, organism

    def __call__(self, names: np.ndarray) -> np.ndarray:
        """Return the symbol of each name, object (n_names,)."""
        if len(names) == 0:
            return names
        found = genes.match(names, self._vocabulary, organism=self._organism)
        other = genes.canonical_symbols(np.asarray(names, dtype=object), organism=found.organism)
        return np.where(found.matched, found.vocabulary[found.index], other).astype(object)


def prior_edges(
    adata: ad.AnnData, prior: str | pd.DataFrame, names: np.ndarray, organism: str
) -> tuple[pd.DataFrame, str]:
    """Return the edges of a prior, by the names it uses, and what to call it."""
    if isinstance(prior, pd.DataFrame):
        return check_edges(prior), "the given table"
    if not isinstance(prior, str):
        msg = f"prior is a name, a key of varp or a DataFrame with source and target; got {type(prior).__name__}."
        raise InputTypeError(msg)
    if prior in ("auto", "trrust"):
        return genes.prior("trrust", organism), f"TRRUST ({organism})"
    if prior not in adata.varp:
        there = ", ".join(["trrust", *map(printable, adata.varp)])
        msg = f"prior={prior!r} is neither bundled nor in varp; there is: {there}. A DataFrame with source and target works too."
        raise MissingKeyError(msg)
    check_sparse(adata.varp[prior], f"varp[{prior!r}]")
    matrix = sp.coo_array(adata.varp[prior])
    edges = pd.DataFrame({"source": names[matrix.row], "target": names[matrix.col], "weight": matrix.data})
    return check_edges(edges), f"varp['{prior}']"


def gene_vectors(
    adata: ad.AnnData, model: fm.FoundationModel, use_rep: str | None, symbols: np.ndarray
) -> tuple[pd.DataFrame, str]:
    """Return a vector a gene, indexed by symbol, and where they are from: ``varm[use_rep]``, or the table of the model."""
    if use_rep is None:
        return pd.DataFrame(model.gene_table(), index=model.vocabulary.astype(object)).dropna(), model.card.name
    vectors = read_vectors(adata, use_rep, "varm", todo="Leave it out to use the best bundled model.")
    table = pd.DataFrame(vectors, index=symbols)
    table = table[~table.index.duplicated() & np.isfinite(table).all(axis=1)].sort_index()
    return table, f"varm['{use_rep}']"


def log_expression(adata: ad.AnnData, layer: str | None, to_symbol: Symbols, gene_key: str | None) -> ad.AnnData | None:
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
        return noted(ad.AnnData(opened.log_normalized(), var=var), "log1p")


def sampled_totals(adata: ad.AnnData, layer: str | None) -> np.ndarray | None:
    """Return the sum of each gene of the object over some cells; None where no matrix over its genes can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SgtWarning)  # the matrix is opened once more, and says so then
        try:
            opened = open_expression(adata, layer=layer, every_feature=True)
        except InputScaleError:
            return None
    return opened.sampled_totals() if len(opened.var) == adata.n_vars else None
