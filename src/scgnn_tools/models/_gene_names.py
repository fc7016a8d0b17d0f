"""The genes of an object by the names that it has for them, and by the symbols that models know."""

from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools.grn.from_anndata import Symbols

if TYPE_CHECKING:
    from anndata import AnnData


class GeneNames:
    """Names and symbols of genes.

    Parameters
    ----------
    symbols, names
        Of each gene of the object, object (n_vars,); of a symbol that stands twice the first gene counts.
    """

    def __init__(self, symbols: np.ndarray, names: np.ndarray) -> None:
        self.symbols, self.names = symbols, names
        self._name_of = _first(pd.Series(names, index=symbols))
        self._symbol_of = _first(pd.Series(symbols, index=names))

    @classmethod
    def of(cls, adata: "AnnData", gene_key: str | None, organism: str) -> Self:
        """Read the genes of an object."""
        bundled = fm.load(fm.best_bundled())
        names = genes.gene_names(adata.var, gene_key=gene_key)
        return cls(Symbols(bundled.vocabulary, organism)(names), adata.var_names.to_numpy(dtype=object))

    @property
    def known(self) -> pd.Index:
        """The symbols, each once."""
        return self._name_of.index

    def names_of(self, symbols: pd.Series) -> np.ndarray:
        """Return the names of genes."""
        return self._name_of.reindex(symbols).to_numpy()

    def symbols_of(self, names: pd.Series) -> np.ndarray:
        """Return the symbols of genes; a name that the object does not have is taken for a symbol."""
        given = names.astype(str)
        return given.map(self._symbol_of).fillna(given).to_numpy(dtype=object)


def _first(values: pd.Series) -> pd.Series:
    return values[~values.index.duplicated()]
