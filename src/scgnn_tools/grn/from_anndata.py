"""What a network is inferred from, out of an AnnData: one name a gene, vectors, expression."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools._errors import InputScaleError, SgtWarning, warn
from scgnn_tools._log import as_text
from scgnn_tools.data import noted, open_expression
from scgnn_tools.data.drawn import drawn_cells
from scgnn_tools.data.vectors import read_vectors


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


class SymbolsOfData:
    """The symbol of a name in a table: that of the gene of the data so called, in this or only in another case; else that of the model.

    Without it ``PTMA`` of a table and ``Ptma`` of the data, which has no one human ortholog, would be two genes.
    """

    def __init__(self, names: np.ndarray, symbols: np.ndarray, otherwise: Symbols) -> None:
        own = pd.Series(symbols, index=as_text(names), dtype=object)
        own = own[~own.index.duplicated()]
        upper = own.set_axis(own.index.str.upper())
        self._own, self._upper, self._otherwise = own, upper[~upper.index.duplicated(keep=False)], otherwise

    def __call__(self, names: np.ndarray) -> np.ndarray:
        """Return the symbol of each name, object (n_names,)."""
        text = pd.Series([name.strip() for name in as_text(names)], dtype=object)
        found = text.map(self._own)
        found = found.where(found.notna(), text.str.upper().map(self._upper))
        one = text.groupby(text.str.upper(), sort=False).transform("min")  # of a gene that a table spells in two ways
        return found.where(
            found.notna(), pd.Series(self._otherwise(one.to_numpy(dtype=object)), dtype=object)
        ).to_numpy(dtype=object)


def vectors_by_symbol(
    adata: ad.AnnData, model: fm.FoundationModel, use_rep: str | None, symbols: np.ndarray
) -> tuple[pd.DataFrame, str]:
    """Return a vector a gene, indexed by symbol, and where they are from: ``varm[use_rep]``, or the table of the model."""
    if use_rep is None:
        return pd.DataFrame(model.gene_table(), index=model.vocabulary.astype(object)).dropna(), model.card.name
    vectors = read_vectors(adata, use_rep, "varm", todo="Leave it out to use the best bundled model.")
    table = pd.DataFrame(vectors, index=symbols)
    table = table[~table.index.duplicated() & np.isfinite(table).all(axis=1)].sort_index()
    return table, f"varm['{use_rep}']"


def log_expression(
    adata: ad.AnnData,
    layer: str | None,
    to_symbol: Symbols,
    gene_key: str | None,
    *,
    most_cells: int | None = None,
    strata: np.ndarray | None = None,
) -> tuple[ad.AnnData | None, np.ndarray | None]:
    """Return the log-normalised cells with symbols as names, or None if no matrix fits and none was asked for; and which cells they are.

    Of more than ``most_cells`` so many are drawn before they are normalised, of every stratum; then their positions are the second.
    """
    try:
        opened = open_expression(adata, layer=layer)
    except InputScaleError:
        if layer is not None:
            raise
        warn("No matrix fits: there are no signs from the data and no pcc.")
        return None, None
    symbols = to_symbol(genes.gene_names(opened.var, gene_key=gene_key if gene_key in opened.var else None))
    var = pd.DataFrame(index=pd.Index(as_text(symbols)))
    cells = drawn_cells(opened, most_cells, strata)
    obs = (adata.obs if cells is None else adata.obs.iloc[cells]).select_dtypes("number")  # a pseudotime, perhaps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names may repeat: the first counts
        return noted(ad.AnnData(opened.log_normalized(cells), obs=obs, var=var), "normalized"), cells


def sampled_totals(adata: ad.AnnData, layer: str | None) -> np.ndarray | None:
    """Return the sum of each gene of the object over some cells; None where no matrix over its genes can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SgtWarning)  # the matrix is opened once more, and says so then
        try:
            opened = open_expression(adata, layer=layer, every_feature=True)
        except InputScaleError:
            return None
    return opened.sampled_totals() if len(opened.var) == adata.n_vars else None
