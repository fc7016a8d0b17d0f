"""The edges of a network that ``tl.infer_grn`` wrote, of all cells or of one group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._keys import GrnKeys
from scgnn_tools._log import printable
from scgnn_tools.grn.imported import in_one_form
from scgnn_tools.grn.names import shown_names, with_names

if TYPE_CHECKING:
    from anndata import AnnData

NEEDED = ("source", "target", "score", "known", "sign")
YES = ("true", "yes", "1", "1.0")


def network(adata: "AnnData", key: str) -> dict[str, Any]:
    """Return what ``uns`` holds of the network, of :func:`scgnn_tools.tl.infer_grn` or the user's own.

    An own one is a table of edges, or a dict with such a table as ``edges``; what it lacks is filled in: no edge is known beforehand, and a
    negative weight is a negative sign.

    Raises
    ------
    MissingKeyError, InputValueError
        If it is not there or is no network; the message says what to type.
    """
    entry = adata.uns.get(GrnKeys(key).uns)
    entry = {"edges": entry} if isinstance(entry, pd.DataFrame) else entry
    if not isinstance(entry, Mapping) or not isinstance(entry.get("edges"), pd.DataFrame):
        msg = (
            f"uns[{printable(repr(key))}] holds no network. Run sgt.tl.infer_grn(adata, key_added={printable(repr(key))}) first, or put a "
            "table with source, target and perhaps weight there."
        )
        raise MissingKeyError(msg)
    told = {k: v for k, v in entry.items() if k not in ("params", "evaluation") or isinstance(v, Mapping)}
    return {**told, "edges": _completed(entry["edges"])}


def _completed(edges: pd.DataFrame) -> pd.DataFrame:
    """Return edges with all that the tools and figures look at: ``source``, ``target``, ``score``, ``known``, ``sign``."""
    if set(NEEDED) <= set(edges.columns) and edges.columns.is_unique and len(edges):
        kinds = [edges[c].dtype for c in ("score", "sign", "known")]  # of a column that holds nothing missing
        if "".join(k.kind if isinstance(k, np.dtype) else "O" for k in kinds) == "ffb":
            fine = np.isfinite(edges["score"]) & edges["source"].notna() & edges["target"].notna()
            if fine.all():
                return edges
            if fine.any():
                return edges[fine].reset_index(drop=True)
    out = in_one_form(edges, "group" if "group" in edges else None)
    known = _flags(edges["known"])[out.index] if "known" in edges else np.zeros(len(out), dtype=bool)
    return out.assign(known=known).reset_index(drop=True)


def _flags(values: pd.Series) -> np.ndarray:
    """Return which values say yes, bool (n,): nothing is no, and so are 0 and the text "False"."""
    return np.array(
        [not pd.isna(v) and (v.strip().lower() in YES if isinstance(v, str) else bool(v)) for v in values], dtype=bool
    )


def pooled(edges: pd.DataFrame) -> pd.DataFrame:
    """Return each edge of several groups once, best first: its best score, the mean of what speaks for it, ``n_groups`` that have it.

    A sign that the groups disagree about is NaN, and an edge is in conflict if one of them says so.
    """
    ends = ["source", "target"]
    best = edges.sort_values("score", ascending=False, kind="stable")
    by = best.groupby(ends, sort=False, observed=True)
    numbers = [c for c in best if best[c].dtype.kind in "iuf" and c not in ("score", "sign")]
    out = by.first().drop(columns=["group", *numbers], errors="ignore")
    out = out.assign(**by[numbers].mean(), score=by["score"].max(), known=by["known"].any(), n_groups=by.size())
    signs = by["sign"]
    out["sign"] = signs.first().where(signs.min() == signs.max())
    if "sign_conflict" in best:
        out["sign_conflict"] = by["sign_conflict"].any()
    return out.reset_index().sort_values("score", ascending=False, kind="stable", ignore_index=True)


def edges_of(
    adata: "AnnData",
    key: str,
    *,
    group: str | None = None,
    n_targets: int | None = None,
    merge: bool = True,
    named: bool = False,
) -> pd.DataFrame:
    """Return the edges, best first.

    Parameters
    ----------
    group
        One of the groups; None takes all, and of an edge in several groups the best, unless ``merge`` is off.
    n_targets
        Most targets a factor.
    merge
        Whether an edge of several groups is given once.
    named
        Whether the genes are called as the ``gene_key`` says that the network was made with, and not by ``var_names``.
    """
    entry = network(adata, key)
    edges = entry["edges"]
    if named and "gene_key" in entry.get("params", {}):
        edges = with_names(edges, shown_names(adata, entry["params"]))
    if group is not None:
        group = str(group)  # groups of numbers are called by their text
        there = sorted(edges["group"].astype(str).unique()) if "group" in edges else []
        if group not in there:
            names = ", ".join(map(printable, there)) or "none: the network was made without groupby="
            msg = f"The network has no group {printable(group)!r}; there is: {names}."
            raise InputValueError(msg)
        edges = edges[edges["group"].astype(str) == group]
    edges = edges.sort_values("score", ascending=False, kind="stable")
    if group is None and merge:
        edges = edges.drop_duplicates(["source", "target"])
    if integer("n_targets", n_targets, or_none=True) is not None:
        by = ["source"] if merge or "group" not in edges else ["group", "source"]
        edges = edges[edges.groupby(by, observed=True, sort=False).cumcount() < n_targets]
    return edges.reset_index(drop=True)


def weighted(edges: pd.DataFrame) -> pd.DataFrame:
    """Return ``source``, ``target`` and signed ``weight`` of edges."""
    sign = np.where(edges["sign"].to_numpy(dtype=float) < 0, -1.0, 1.0)
    out = edges[["source", "target"]].astype(str)
    return out.assign(weight=np.abs(edges["score"].to_numpy(dtype=float)) * sign)
