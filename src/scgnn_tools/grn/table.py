"""The edges of a network that ``tl.infer_grn`` wrote, of all cells or of one group."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._keys import GrnKeys
from scgnn_tools._log import printable

if TYPE_CHECKING:
    from anndata import AnnData


def network(adata: "AnnData", key: str) -> dict[str, Any]:
    """Return what ``uns`` holds of the network; an error that says what to type if it is not there."""
    entry = adata.uns.get(GrnKeys(key).uns)
    if entry is None or "edges" not in entry:
        msg = f"uns[{key!r}] holds no network. Run sgt.tl.infer_grn(adata, key_added={key!r}) first."
        raise MissingKeyError(msg)
    return entry


def edges_of(
    adata: "AnnData", key: str, *, group: str | None = None, n_targets: int | None = None, merge: bool = True
) -> pd.DataFrame:
    """Return the edges, best first.

    Parameters
    ----------
    group
        One of the groups; None takes all, and of an edge in several groups the best, unless ``merge`` is off.
    n_targets
        Most targets a factor.
    """
    edges = network(adata, key)["edges"]
    if group is not None:
        there = sorted(edges["group"].astype(str).unique()) if "group" in edges else []
        if group not in there:
            names = ", ".join(map(printable, there)) or "none: infer_grn was called without groupby"
            msg = f"The network has no group {printable(group)!r}; there is: {names}."
            raise InputValueError(msg)
        edges = edges[edges["group"].astype(str) == group]
    edges = edges.sort_values("score", ascending=False, kind="stable")
    if group is None and merge:
        edges = edges.drop_duplicates(["source", "target"])
    if n_targets is not None:
        if n_targets < 1:
            msg = f"n_targets is a positive integer or None; got {n_targets!r}."
            raise InputValueError(msg)
        by = ["source"] if merge or "group" not in edges else ["group", "source"]
        edges = edges[edges.groupby(by, observed=True, sort=False).cumcount() < n_targets]
    return edges.reset_index(drop=True)
