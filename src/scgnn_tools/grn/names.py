"""Genes of the data under any name that a table may use: current symbols, older ones, Ensembl ids, another case."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools import genes
from scgnn_tools._log import as_text

if TYPE_CHECKING:
    from anndata import AnnData


class ToSymbols:
    """The current symbol of a name, or the symbol of the data that differs from it in case alone.

    Parameters
    ----------
    pool
        Names of the genes of the data.
    organism
        "human" or "mouse".
    """

    def __init__(self, pool: Iterable[object], organism: str) -> None:
        self._organism = organism
        symbols = genes.canonical_symbols(pd.unique(as_text(pool)), organism=organism)
        self._there = pd.Index(symbols).unique()
        upper = pd.Series(self._there, index=self._there.str.upper())
        self._of_upper = upper[~upper.index.duplicated(keep=False)]

    def __call__(self, names: "Iterable[object]") -> np.ndarray:
        """Return the symbol of each name, object (n_names,)."""
        codes, unique = pd.factorize(as_text(names))
        symbols = pd.Series(genes.canonical_symbols(unique, organism=self._organism), dtype=object)
        found = symbols.str.upper().map(self._of_upper)
        out = symbols.where(symbols.isin(self._there) | found.isna(), found)
        return out.to_numpy(dtype=object)[codes] if len(unique) else np.zeros(0, dtype=object)


def names_of(adata: "AnnData", params: Mapping[str, Any]) -> pd.Series:
    """Return the name of each gene of the data, by ``var_names``: by the ``gene_key`` that a network was made with."""
    index = adata.var_names.astype(str)
    key = params.get("gene_key")
    names = pd.Series(index.to_numpy(dtype=object), index=index)
    if key is not None and key in adata.var:
        told = adata.var[key].astype(object).to_numpy()
        names = names.where([pd.isna(v) or str(v) == "" for v in told], [str(v) for v in told])
    return names[~names.index.duplicated()]


def shown_names(adata: "AnnData", params: Mapping[str, Any]) -> pd.Series:
    """Return the same, to be shown: a name that several genes share has that of ``var_names`` behind it."""
    names = names_of(adata, params)
    twice = names.duplicated(keep=False).to_numpy() & (names.to_numpy() != names.index.to_numpy(dtype=object))
    return names.where(~twice, names.astype(str) + " (" + names.index.astype(str) + ")")


def with_names(edges: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """Return a table with its genes (``source``, ``target``) by other names; a gene that has none keeps its own."""
    ends = [c for c in ("source", "target") if c in edges and len(names)]
    return edges.assign(**{c: edges[c].astype(str).map(names).fillna(edges[c]) for c in ends})
