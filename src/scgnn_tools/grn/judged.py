"""What edges are judged by, in the symbols of one set of genes: a known network, what was trained on, co-expression."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputScaleError
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.edge_tables import labelled
from scgnn_tools.grn.given import merged
from scgnn_tools.grn.names import ToSymbols
from scgnn_tools.links.pcc import PCC

if TYPE_CHECKING:
    from anndata import AnnData


def true_pairs(tables: Mapping[str, pd.DataFrame], to_symbol: ToSymbols) -> pd.DataFrame:
    """Return what is true by symbol: edges, or labelled pairs that are not all edges."""
    pairs = _labelled(tables)
    if pairs is not None and not (pairs["label"] == 1).all():
        return _by_symbol(pairs, to_symbol, "tf")
    return merged({n: check_edges(_by_symbol(check_edges(t), to_symbol, "source")) for n, t in tables.items()})


def seen_pairs(tables: Mapping[str, pd.DataFrame], to_symbol: ToSymbols) -> pd.DataFrame:
    """Return what was trained on as pairs by symbol: all labelled ones, or edges."""
    pairs = _labelled(tables)
    if pairs is None:
        edges = merged({n: check_edges(t) for n, t in tables.items()})
        pairs = edges[["source", "target"]].set_axis(["tf", "target"], axis=1)
    return _by_symbol(pairs, to_symbol, "tf")


def _labelled(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Return the pairs of one table with labels, None of any other."""
    return labelled(next(iter(tables.values()))) if len(tables) == 1 else None


def _by_symbol(table: pd.DataFrame, to_symbol: ToSymbols, source: str) -> pd.DataFrame:
    return table.assign(**{c: to_symbol(table[c]) for c in (source, "target")})


def coexpression(
    adata: "AnnData", pairs: pd.DataFrame, called: pd.Series, to_symbol: ToSymbols
) -> dict[str, np.ndarray]:
    """Return the correlation of each pair by the name of its predictor; nothing where no matrix fits or no pair is expressed.

    Parameters
    ----------
    adata
        The cells.
    pairs
        ``tf``, ``target``, by symbol.
    called
        What the genes are called, by ``var_names``.
    to_symbol
        From names to symbols.
    """
    from anndata import AnnData

    try:
        fitted = PCC().fit(expression=adata)
    except InputScaleError:
        return {}
    columns = fitted.columns
    genes = pd.Index(columns.genes)
    symbols = pd.Index(to_symbol(called.reindex(genes).fillna(pd.Series(genes, index=genes)).to_numpy()))
    first = ~symbols.duplicated()
    renamed = AnnData(columns.x[:, np.flatnonzero(first)].tocsr(), var=pd.DataFrame(index=symbols[first]))
    score = PCC().fit(expression=renamed).score(pairs)
    return {"pcc": score} if np.isfinite(score).any() else {}
