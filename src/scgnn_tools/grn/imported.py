"""The network of any tool on the genes of an object, in the form of our own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import listed
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import as_text, printable, say
from scgnn_tools._names import safe_names
from scgnn_tools.graph.edge_table import NAMES, columns_of, is_mode, labels_of, modes_of, tidied
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.edge_tables import numbers
from scgnn_tools.grn.given import as_one, check_names, given_networks, merged
from scgnn_tools.grn.names import ToSymbols
from scgnn_tools.grn.signs import MODES

if TYPE_CHECKING:
    from anndata import AnnData

OWN = ("group", "source", "target", "score", "known", "sign")


def imported(
    table: Any, adata: "AnnData", names: np.ndarray, organism: str, *, groupby: str | None, prior: Any = None
) -> tuple[pd.DataFrame, str, int]:
    """Return the edges between genes of the object, best first, what to call them, and how many edges had another end.

    Parameters
    ----------
    table
        What :func:`scgnn_tools.grn.given.given_networks` takes; with ``groupby`` also group -> table.
    adata, names, organism
        The object, the names of its genes, and whose genes they are.
    groupby
        Column of the table with the groups, or ``group``; with a mapping its keys.
    prior
        Network whose edges are known; None knows none.

    Returns
    -------
    DataFrame
        ``group`` (with ``groupby``), ``source``, ``target`` (of ``var_names``), ``score`` (above 0), ``known``, ``sign`` (1, -1, NaN), and
        every other column of one table.
    """
    how: dict[str, Any] = {"organism": organism, "adata": adata, "names": names, "argument": "table"}
    if groupby is not None and isinstance(table, Mapping):
        if not table:
            msg = "table is empty; it is a dict of group -> table."
            raise InputValueError(msg)
        check_names(table, "table")
        parts = {str(g): as_one(given_networks(t, **how)) for g, t in table.items()}
        edges = pd.concat([in_one_form(t).assign(group=g) for g, t in parts.items()], ignore_index=True)
        edges = edges.assign(**{c: storable(edges[c]) for c in edges.columns.drop(["score", "sign"])})
        called = "the given tables"
    else:
        tables = given_networks(table, **how)
        one = as_one(tables)
        if groupby is None:
            _say_groups(one)
        called, edges = ", ".join(tables), in_one_form(one, groupby)
    to_symbol = ToSymbols(names, organism)
    column = pd.Series(np.arange(len(names)), index=to_symbol(names))
    column = column[~column.index.duplicated()]
    at = [pd.Series(to_symbol(edges[c]), index=edges.index).map(column) for c in ("source", "target")]
    there = (at[0].notna() & at[1].notna() & (at[0] != at[1])).to_numpy()
    if not there.any():
        loops = int((at[0].notna() & (at[0] == at[1])).sum())
        own = f", {loops:,} of them from a gene to itself" if loops else ""
        some = ", ".join(map(printable, edges["source"].unique()[:3]))
        msg = (
            f"None of the {len(edges):,} edges lies between two genes of the data{own} (edges: {some}, …; data: "
            f"{', '.join(map(printable, names[:3]))}, …). Pass gene_key=, the column of var with names as in the table."
        )
        raise GraphError(msg)
    index = adata.var_names.to_numpy(dtype=object)
    ends = {c: index[a[there].to_numpy(dtype=np.int64)] for c, a in zip(("source", "target"), at, strict=True)}
    out = edges[there].assign(**ends)
    by = ["group", "source", "target"] if groupby is not None else ["source", "target"]
    out["sign"] = _agreed(out, by)
    out = out.sort_values("score", ascending=False, kind="stable").drop_duplicates(by, ignore_index=True)
    out["known"] = _known(out, prior, adata, names, organism, to_symbol, column)
    first = [c for c in OWN if c in out]
    return out[[*first, *out.columns.drop(first)]], called, int((~there).sum())


def _say_groups(table: pd.DataFrame) -> None:
    """Say that a table has networks of several groups where none were asked for: of an edge of two groups one row is left."""
    groups = [] if list(table.columns).count("group") != 1 else sorted({str(g) for g in table["group"].dropna()})
    if len(groups) > 1:
        say(
            f"grn_from_edges: the table has networks of {len(groups)} groups ({listed(groups[:5])}) in its column 'group'; they become "
            "one, with the best row of each edge. Pass groupby=, the column of obs that has them, to keep them apart"
        )


def in_one_form(table: pd.DataFrame, groupby: str | None = None) -> pd.DataFrame:
    """Return ``source``, ``target``, ``score``, ``sign``, ``group``, and the other columns of a table, by the rows that are edges."""
    if table.empty:
        msg = "The table has no rows. A network has a row an edge, with source, target and perhaps weight."
        raise GraphError(msg)
    table = tidied(table).reset_index(drop=True)
    roles = ("source", "target", "weight", "mode", "label")
    found = columns_of(table, roles, optional=("weight", "mode", "label"))
    group = None if groupby is None else next((c for c in (groupby, "group") if c in table), None)
    if groupby is not None and group is None:
        msg = f"groupby={printable(repr(groupby))} wants a column {printable(groupby)} or group in the table, or a dict of group -> table."
        raise InputValueError(msg)
    if found["label"] is not None:
        table = table[labels_of(table, found["label"]) == 1]
    table = table.dropna(subset=[found["source"], found["target"], *([] if group is None else [group])])
    weight = np.ones(len(table)) if found["weight"] is None else numbers(table[found["weight"]])
    sign = np.where(weight < 0, -1.0, np.nan)
    if (weight < 0).any():
        sign = np.where(weight > 0, 1.0, sign)
    mode = found["mode"]
    if mode is not None and (str(mode).lower() != "type" or is_mode(table[mode])):
        told = pd.Series(modes_of(table[mode])).map(MODES).to_numpy(dtype=float)
        sign = np.where(np.isfinite(told), told, sign)
    ends = {c: as_text(table[found[c]]) for c in ("source", "target")}
    out = pd.DataFrame(ends, index=table.index)
    out["score"], out["sign"] = np.abs(weight), sign
    if group is not None:
        out["group"] = as_text(table[group])
    read = {c for c in (*found.values(), group) if c is not None} | {
        c for c in table if str(c).lower() in (*OWN, "mode")
    }
    others = [c for c in dict.fromkeys(table.columns) if c not in read and list(table.columns).count(c) == 1]
    for name, column in zip(safe_names(others), others, strict=True):
        out[name] = storable(table[column])
    out = out[np.isfinite(out["score"]) & (out["score"] > 0)]
    if out.empty:
        msg = f"The table holds no edge with a score other than 0 ({len(table):,} rows, {', '.join(NAMES['weight'][:3])}, …)."
        raise GraphError(msg)
    return out


def _agreed(edges: pd.DataFrame, by: list[str]) -> pd.Series:
    """Return the sign of each edge that all of its rows tell, NaN where two rows differ: their order must not decide."""
    signs = edges.groupby(by, sort=False)["sign"]
    least, most = signs.transform("min"), signs.transform("max")
    return least.where(least == most)


def storable(values: pd.Series) -> np.ndarray:
    """Return a column as a file can hold it: numbers (float where one is missing), bool, or text ("" where one is missing)."""
    plain, there, kind = values.astype(object), values.notna(), getattr(values.dtype, "numpy_dtype", values.dtype)
    if pd.api.types.is_bool_dtype(kind) and there.all():
        return plain.to_numpy(dtype=bool)
    if pd.api.types.is_integer_dtype(kind) and there.all():
        return values.to_numpy(dtype=kind)
    if pd.api.types.is_integer_dtype(kind) or pd.api.types.is_float_dtype(kind):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return as_text(plain.where(there, ""))


def _known(
    edges: pd.DataFrame,
    prior: Any,
    adata: "AnnData",
    names: np.ndarray,
    organism: str,
    to_symbol: ToSymbols,
    column: pd.Series,
) -> np.ndarray:
    if prior is None:
        return np.zeros(len(edges), dtype=bool)
    tables = given_networks(prior, organism=organism, adata=adata, names=names)
    known = merged({n: check_edges(t) for n, t in tables.items()})
    index = pd.Series(adata.var_names.to_numpy(dtype=object))
    ends = [pd.Series(to_symbol(known[c])).map(column).map(index) for c in ("source", "target")]
    return pd.MultiIndex.from_frame(edges[["source", "target"]]).isin(pd.MultiIndex.from_arrays(ends))


def score_matrix(adata: "AnnData", edges: pd.DataFrame) -> sp.csr_matrix:
    """Return the scores of edges, factor in the row, CSR float32 (n_vars, n_vars); of several groups the best."""
    first_of = adata.var_names[~adata.var_names.duplicated()]  # of genes of one name the first
    column = np.flatnonzero(~adata.var_names.duplicated())
    i, j = (column[first_of.get_indexer(edges[c])] for c in ("source", "target"))
    best = np.minimum(edges["score"], np.finfo(np.float32).max).to_numpy(dtype=np.float32)
    order = np.argsort(-best, kind="stable")
    _, first = np.unique(np.stack([i, j])[:, order], axis=1, return_index=True)
    keep = order[first]
    return sp.csr_matrix((best[keep], (i[keep], j[keep])), shape=(adata.n_vars, adata.n_vars))
