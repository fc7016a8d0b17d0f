"""A prior network on the genes of an object."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GraphError
from scgnn_tools._log import printable
from scgnn_tools.graph.canonical import canonical


def check_edges(edges: pd.DataFrame) -> pd.DataFrame:
    """Return a table of edges in one form, sorted by source and target, whatever the order of its rows.

    Returns
    -------
    DataFrame
        ``source``, ``target`` as text, ``weight`` float, and ``mode`` if it was there; without self loops, rows that lack a name, edges
        of weight 0 and duplicates, of which the heaviest stays.

    Raises
    ------
    GraphError
        If it is no table, a column is missing or there twice, a weight is text, negative or not finite, or no edge is left.
    """
    if not isinstance(edges, pd.DataFrame):
        msg = f"A prior is a DataFrame with source and target, one row an edge; got {type(edges).__name__}. Use pd.DataFrame(...)."
        raise GraphError(msg)
    _check_columns(edges)
    named = edges[edges["source"].notna() & edges["target"].notna()]
    out = pd.DataFrame({c: named[c].astype(str).to_numpy(dtype=object) for c in ("source", "target")})
    out["weight"] = _weights(named)
    if "mode" in named:
        out["mode"] = named["mode"].astype(str).to_numpy(dtype=object)
    out = out[(out["source"] != out["target"]) & (out["weight"] > 0)]
    if out.empty:
        why = "it has no rows"
        if len(edges):
            loops = int((named["source"].astype(str) == named["target"].astype(str)).sum())
            why = f"of {len(edges):,} rows {len(edges) - len(named):,} lack a name, {loops:,} are self loops, the others weigh 0"
        msg = f"The prior holds no edge that can be used: {why}. Pass a DataFrame with source and target, one row an edge."
        raise GraphError(msg)
    # by content: the order of the rows must not decide which of two duplicates stays, nor what is drawn for which edge
    modes = ["mode"] if "mode" in out else []
    out = out.sort_values(["source", "target", "weight", *modes], ascending=[True, True, False, *(True for _ in modes)])
    return out.drop_duplicates(["source", "target"]).reset_index(drop=True)


def _check_columns(edges: pd.DataFrame) -> None:
    there = ", ".join(map(printable, edges.columns)) or "none"
    missing = [c for c in ("source", "target") if c not in edges.columns]
    if missing:
        msg = f"A prior needs the columns source and target; {', '.join(missing)} is missing, there is: {there}."
        raise GraphError(msg)
    twice = [c for c in ("source", "target", "weight", "mode") if list(edges.columns).count(c) > 1]
    if twice:
        msg = f"The prior has the column {twice[0]} more than once ({there}). Keep one of them."
        raise GraphError(msg)


def _weights(edges: pd.DataFrame) -> np.ndarray:
    if "weight" not in edges:
        return np.ones(len(edges))
    try:
        weights = edges["weight"].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"The weights of a prior are numbers; got {printable(edges['weight'].iloc[0])!r} ({error})."
        raise GraphError(msg) from error
    if not (np.isfinite(weights) & (weights >= 0)).all():
        msg = (
            f"The weights of a prior are finite and not negative; the least is {weights.min()}. Give the sign as mode."
        )
        raise GraphError(msg)
    return weights


def prior(edges: pd.DataFrame, genes: np.ndarray) -> sp.csr_array:
    """Return the edges between these genes as a matrix, source in the row, CSR float32 (n_genes, n_genes).

    Parameters
    ----------
    edges
        ``source``, ``target`` and, where edges have one, ``weight``.
    genes
        Names of the rows and columns.

    Raises
    ------
    GraphError
        If no edge has both ends among the genes, or the table cannot be used.
    """
    edges = check_edges(edges)
    index = pd.Index(genes)
    index = pd.Series(np.arange(len(index)), index=index)
    index = index[~index.index.duplicated()]
    ends = [edges[c].map(index) for c in ("source", "target")]
    inside = (ends[0].notna() & ends[1].notna()).to_numpy()
    if not inside.any():
        msg = (
            f"None of the {len(edges):,} edges of the prior lies between the {len(genes):,} genes (prior: "
            f"{', '.join(map(printable, edges['source'][:3]))}; genes: {', '.join(map(printable, genes[:3]))})."
        )
        raise GraphError(msg)
    rows, columns = (e[inside].to_numpy(dtype=np.int64) for e in ends)
    return canonical(rows, columns, edges["weight"].to_numpy()[inside], (len(genes), len(genes)))
