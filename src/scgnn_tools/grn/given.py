"""Networks as users hand them in: a name, a file, a table, a matrix of ``varp``, regulons, or several of these."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import genes
from scgnn_tools._choices import did_you_mean
from scgnn_tools._errors import GraphError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._log import printable
from scgnn_tools._names import as_key
from scgnn_tools.data.bounds import check_sparse
from scgnn_tools.graph.canonical import as_csr
from scgnn_tools.graph.edge_table import NAMES
from scgnn_tools.graph.network_files import is_file, read_names, read_network
from scgnn_tools.graph.prior import check_edges, joined_modes
from scgnn_tools.grn.resources import RESOURCES, resource

if TYPE_CHECKING:
    from anndata import AnnData

WANTED = (
    "a name ('trrust', 'collectri', 'dorothea'), a file, a DataFrame with source and target, a key of varp, regulons "
    "({'SPI1': ['LYZ', 'CD14']}), or several of these as a list or a dict"
)
IN = "in_"
"""Before the name of a prior, the column that says whether it has the edge."""


def given_networks(
    given: Any,
    *,
    organism: str,
    adata: "AnnData | None" = None,
    names: np.ndarray | None = None,
    argument: str = "prior",
) -> dict[str, pd.DataFrame]:
    """Return the tables that a user meant, as they are, by what to call them.

    Parameters
    ----------
    given
        See ``WANTED``.
    organism
        Of the named ones.
    adata, names
        The object whose ``varp`` may hold one, and the names of its genes.
    argument
        What the user passed it as.

    Raises
    ------
    InputTypeError, InputValueError, MissingKeyError
        If it is something else, a file cannot be read, or a name is not known.
    """
    how: dict[str, Any] = {"organism": organism, "adata": adata, "names": names, "argument": argument}
    given = _as_table(given)
    if isinstance(given, Mapping):
        if _empty(given, argument) and all(_is_targets(v) for v in given.values()):
            return {"the given regulons": _regulons(given)}
        check_names(given, argument)
        parts = {str(k): given_networks(v, **how) for k, v in given.items()}
        return {k: as_one(v) for k, v in parts.items()}
    if isinstance(given, list | tuple) and _empty(given, argument):
        if all(isinstance(e, list | tuple) and len(e) in (2, 3) and all(map(_is_scalar, e)) for e in given):
            if len({len(e) for e in given}) > 1:
                msg = f"{argument} holds edges of 2 and of 3 entries; give every edge a weight, (source, target, weight), or none."
                raise InputValueError(msg)
            ends = ["source", "target", "weight"][: len(given[0])]
            return {"the given edges": pd.DataFrame(given).set_axis(ends, axis=1)}
        out: dict[str, pd.DataFrame] = {}
        for part in given:
            for name, table in given_networks(part, **how).items():
                out[_free(name, out)] = table
        return out
    if isinstance(given, pd.DataFrame):
        return {"the given table": given}
    if isinstance(given, Path):
        return {given.name: read_network(given)}
    if isinstance(given, str):
        return _named(given, **how)
    msg = f"{argument} is {WANTED}; got {type(given).__name__}."
    raise InputTypeError(msg)


def _as_table(given: Any) -> Any:
    """Return rows ``[{"source": …, "target": …}, …]`` and columns ``{"source": […], "target": […]}`` as a table, anything else as it is."""
    columns = given
    if isinstance(given, list | tuple) and given and all(isinstance(row, Mapping) for row in given):
        columns = given[0]
    if not isinstance(columns, Mapping) or (columns is given and not all(_is_targets(v) for v in given.values())):
        return given
    called = {str(k).strip().lower() for k in columns}
    if not all(called & set(NAMES[role]) for role in ("source", "target")):
        return given
    sizes = {len(v) for v in given.values()} if columns is given else {1}
    return pd.DataFrame(given) if len(sizes) == 1 else given


def _named(
    name: str, *, organism: str, adata: "AnnData | None", names: np.ndarray | None, argument: str
) -> dict[str, pd.DataFrame]:
    there = {} if adata is None else adata.varp
    if name in there and adata is not None:
        return {f"varp['{name}']": _of_varp(adata, name, genes.gene_names(adata.var) if names is None else names)}
    if name.lower() in ("auto", "trrust"):
        return {f"TRRUST ({organism})": genes.prior("trrust", organism)}
    if name.lower() in RESOURCES:
        return {f"{RESOURCES[name.lower()]} ({organism})": resource(name.lower(), organism, argument)}
    if is_file(name):
        return {Path(name).name: read_network(name)}
    known = ["trrust", *RESOURCES, *there]
    msg = (
        f"{argument}={printable(repr(name))} is neither a file, nor bundled, nor in varp; there is: {', '.join(map(printable, known))}."
        f"{did_you_mean(name, known)} A DataFrame with source and target works too."
    )
    raise MissingKeyError(msg)


def _of_varp(adata: "AnnData", key: str, names: np.ndarray) -> pd.DataFrame:
    check_sparse(adata.varp[key], f"varp[{key!r}]")
    matrix = sp.coo_array(as_csr(adata.varp[key]))
    return pd.DataFrame({"source": names[matrix.row], "target": names[matrix.col], "weight": matrix.data})


def merged(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return checked tables, by one set of names, as one: of an edge the largest weight and one mode, and which of several have it.

    Returns
    -------
    DataFrame
        As of :func:`~scgnn_tools.graph.prior.check_edges`; of several tables with a bool column ``in_<name>`` each. Modes that disagree
        are "Conflict".
    """
    if len(tables) == 1:
        return next(iter(tables.values()))
    every = pd.concat(tables.values(), ignore_index=True)
    if "mode" in every:
        every["mode"] = joined_modes(every.fillna({"mode": "Unknown"}))
    every = every.sort_values(["source", "target", "weight"], ascending=[True, True, False], kind="stable")
    out = every.drop_duplicates(["source", "target"]).reset_index(drop=True)
    ends = pd.MultiIndex.from_frame(out[["source", "target"]])
    for name, table in tables.items():
        out[f"{IN}{as_key(name)}"] = ends.isin(pd.MultiIndex.from_frame(table[["source", "target"]]))
    return out


def conflicts(tables: Mapping[str, pd.DataFrame], edges: pd.DataFrame) -> int:
    """Return how many edges several tables give opposite modes, each of them one."""
    if len(tables) < 2 or "mode" not in edges:
        return 0
    own = [t.loc[t["mode"] == "Conflict", ["source", "target"]] for t in tables.values() if "mode" in t]
    seen = pd.MultiIndex.from_frame(pd.concat(own)) if own else []
    both = edges[edges["mode"] == "Conflict"]
    return int((~pd.MultiIndex.from_frame(both[["source", "target"]]).isin(seen)).sum())


def given_factors(tfs: Any, *, argument: str = "tfs") -> np.ndarray:
    """Return the names of genes that a user meant: one, a list, or those in a file; object (n,).

    Raises
    ------
    InputTypeError, InputValueError
        If it is something else, or names none.
    """
    wanted = f"{argument} is a list of names of genes, such as ['SPI1', 'IRF8'], one name, or a file with one a line"
    if isinstance(tfs, Path):
        tfs = read_names(tfs)
    elif isinstance(tfs, str):
        tfs = read_names(tfs) if is_file(tfs) else [tfs]
    if isinstance(tfs, pd.DataFrame):
        tfs = check_edges(tfs)["source"].unique()
    kinds = (list, tuple, range, np.ndarray, pd.Index, pd.Series, pd.api.extensions.ExtensionArray, set, frozenset)
    if not isinstance(tfs, kinds):
        msg = f"{wanted}; got {printable(repr(tfs))}."
        raise InputTypeError(msg)
    names = [n for n in tfs if not (pd.api.types.is_scalar(n) and pd.isna(n))]
    odd = [n for n in names if not isinstance(n, str)]
    if odd:
        msg = f"{wanted}; it holds {printable(repr(odd[0]))}."
        raise InputTypeError(msg)
    names = [str(n) for n in names if str(n).strip()]
    if not names:
        msg = f"{argument} names no gene. Leave it out to take all that are known."
        raise InputValueError(msg)
    return np.array(names, dtype=object)


def _regulons(given: Mapping[Any, Any]) -> pd.DataFrame:
    rows = []
    for factor, targets in given.items():
        if isinstance(targets, Mapping) or (isinstance(targets, pd.Series) and _is_weighted(targets)):
            rows += [(factor, target, weight) for target, weight in targets.items()]
        else:
            rows += [(factor, target, 1.0) for target in targets]
    if not rows:
        msg = "The given regulons have no target. Pass for example {'SPI1': ['LYZ', 'CD14']}."
        raise GraphError(msg)
    return pd.DataFrame(rows, columns=["source", "target", "weight"])


def check_names(given: Mapping[Any, Any], argument: str) -> None:
    """Refuse two networks whose names are one name as text, as 1 and "1" are."""
    names = [str(k) for k in given]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        msg = f"{argument} has two networks called {printable(twice[0])}; give each a name of its own."
        raise InputValueError(msg)


def _is_targets(value: Any) -> bool:
    """Say whether a value lists genes, or gives them weights, rather than naming networks."""
    if isinstance(value, Mapping):
        return all(isinstance(v, int | float | np.number) for v in value.values())
    if isinstance(value, np.ndarray | pd.Index | pd.Series | set | frozenset):
        return True
    return isinstance(value, list | tuple) and all(_is_scalar(v) for v in value)


def _is_weighted(targets: pd.Series) -> bool:
    """Say whether a series gives genes a weight: numbers by name."""
    return targets.dtype.kind in "iuf" and all(isinstance(n, str) for n in targets.index)


def _is_scalar(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value))


def _empty(given: Any, argument: str) -> bool:
    """Return True, or refuse what holds nothing."""
    if not len(given):
        msg = f"{argument} is empty; it is {WANTED}."
        raise InputValueError(msg)
    return True


def as_one(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return several tables merged, each checked; a single one as it is."""
    return next(iter(tables.values())) if len(tables) == 1 else merged({n: check_edges(t) for n, t in tables.items()})


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    out = name
    while out in taken:
        out, number = f"{name} {number}", number + 1
    return out
