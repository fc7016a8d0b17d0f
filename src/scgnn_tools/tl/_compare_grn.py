"""``tl.compare_grn``: two networks, of two groups, conditions, methods or runs, and how sure their difference is."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools import genes as gene_names
from scgnn_tools._choices import integer, listed
from scgnn_tools._columns import column_of, without_value
from scgnn_tools._doors import door
from scgnn_tools._errors import InputScaleError, InputValueError, MissingKeyError
from scgnn_tools._keys import GRN
from scgnn_tools._log import are, printable, say
from scgnn_tools._log import counted as in_words
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, generator
from scgnn_tools.data import open_expression
from scgnn_tools.data.order import by_content
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.checks import MIN_CELLS
from scgnn_tools.grn.compare import GrnComparison, by_cells, counted, largest_first, overlaps, side_by_side
from scgnn_tools.grn.given import given_networks, merged
from scgnn_tools.grn.jackknife import Parts, parts_of, random_parts
from scgnn_tools.grn.names import GeneNames, names_of, shown_names
from scgnn_tools.grn.table import edges_of, network

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

PARTS = 20
"""Parts of the cells of a group, each of which is left out once."""

DEALT = 5
"""Times that cells or donors are dealt to the groups at random. Factors share targets, so in rare draws many differ at once."""

MIN_DONORS = 3


@door
def compare_grn(
    adata: "AnnData | MuData",
    a: str,
    b: str,
    *,
    key: str = GRN,
    groupby: str | None = None,
    replicate_key: str | None = None,
    truth: Any = None,
    n_targets: int | None = 100,
    layer: str | None = None,
    mod: str = RNA,
    rng: RNG = 0,
) -> GrnComparison:
    """Compare two networks: which edges and which transcription factors differ, and what one finds and the other misses.

    Between two groups of cells, an edge differs if the correlation of its genes differs, and a transcription factor
    if the expression of its targets does. Intervals are from the jackknife: every twentieth of the cells, or every
    donor, is left out once. As a control, the same is counted with the cells, or the donors, dealt to the groups at
    random, five times.

    Parameters
    ----------
    adata
        Object that :func:`infer_grn` or :func:`grn_from_edges` was called on.
    a, b
        Two groups of the network ``key``, or two networks by name. With ``groupby`` any two of its groups, in one network of all cells.
    key
        Name of the network whose groups are compared.
    groupby
        Column of ``obs`` for groups that the network does not have: both are then looked at through the network of all cells.
    replicate_key
        Column of ``obs`` with the donor, or sample, of each cell: intervals are then over donors, of whom at least 3 have 10 cells in each
        group. A donor that is in both groups is compared with himself.
    truth
        A known network, in any form that ``prior=`` of :func:`infer_grn` takes: how much of what each finds alone is known.
    n_targets
        Targets of each transcription factor that count as found, the best; None takes all that the networks have.
    layer
        "X", "raw" or a layer; None takes the first that fits. It is log-normalised if it holds counts.
    mod
        Modality of a MuData.
    rng
        Seed of the parts and of the control.

    Returns
    -------
    GrnComparison
        :class:`scgnn_tools.grn.compare.GrnComparison`, whose help explains every column: tables ``edges``, ``factors`` (what differs
        first, the largest difference at the top), ``found``, ``control``, and the text ``verdict``, which is what was printed.
        :func:`scgnn_tools.pl.grn_difference` draws it.

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such group or network, a group has fewer than 10 cells, or there are too few donors.

    Examples
    --------
    >>> difference = sgt.tl.compare_grn(adata, "CD14+ monocyte", "B cell")
    >>> difference.edges.columns[:2].tolist()
    ['source', 'target']
    >>> sgt.pl.grn_difference(difference)
    <Figure size ...>
    """
    target = modality(adata, mod)
    integer("n_targets", n_targets, or_none=True)
    random = generator(rng)
    parts: Parts | None
    if groupby is not None:
        own = edges_of(target, key, n_targets=n_targets)
        tables, params, of = (own, own), network(target, key).get("params", {}), groupby
        parts = _parts(target, groupby, (a, b), replicate_key)
    else:
        tables, params, of = _networks(target, a, b, key, n_targets)
        parts = None if not of else _parts(target, of, (a, b), replicate_key)
    if parts is None and replicate_key is not None:
        msg = f"replicate_key= gives intervals between two groups of cells; {printable(a)} and {printable(b)} are networks of all."
        raise InputValueError(msg)
    edges = side_by_side(*tables)
    factors = overlaps(edges)
    if truth is not None:
        edges["true"] = _is_true(edges, truth, target, params)
    control = pd.DataFrame()
    if parts is not None:
        edges, factors, control = _by_cells(edges, factors, target, layer, parts, random, flip=str(a) > str(b))
    said = _verdict(edges, factors, control, (str(a), str(b)), replicate_key)
    called = shown_names(target, params)
    if "gene_key" in params:
        edges = edges.assign(**{c: edges[c].map(called).fillna(edges[c]) for c in ("source", "target")})
        factors = factors.assign(source=factors["source"].map(called).fillna(factors["source"]))
    out = GrnComparison(edges, factors, counted(edges), control, (str(a), str(b)), said)
    for line in said.splitlines():
        say(f"compare_grn: {line}")
    return out


def _networks(
    adata: "AnnData", a: str, b: str, key: str, n_targets: int | None
) -> tuple[tuple[pd.DataFrame, pd.DataFrame], dict[str, Any], str]:
    """Return the edges of a and b, what was chosen for them, and the column of their groups; "" for two networks."""
    entry = adata.uns.get(key)
    there = network(adata, key) if isinstance(entry, dict | pd.DataFrame) else None
    groups = (
        [] if there is None or "group" not in there["edges"] else list(there["edges"]["group"].astype(str).unique())
    )
    params = {} if there is None else there.get("params", {})
    if {str(a), str(b)} <= set(groups):
        found = tuple(edges_of(adata, key, group=str(g), n_targets=n_targets) for g in (a, b))
        return found, params, str(params.get("groupby", ""))  # type: ignore[return-value]
    unknown = [n for n in (a, b) if n not in adata.uns]
    lacking = [n for n in unknown if str(n) not in groups] or unknown
    if lacking:
        keys = [k for k in adata.uns if isinstance(adata.uns[k], dict) and "edges" in adata.uns[k]]
        msg = (
            f"{printable(repr(lacking[0]))} is neither a group of the network {printable(repr(key))} (groups: {listed(sorted(groups))}) "
            f"nor a network in uns (networks: {listed(keys)}). Two of a kind are compared; with groupby= any two groups of cells."
        )
        raise MissingKeyError(msg)
    found = tuple(edges_of(adata, n, n_targets=n_targets) for n in (a, b))
    return found, network(adata, a).get("params", {}), ""  # type: ignore[return-value]


def _parts(adata: "AnnData", groupby: str, names: tuple[str, str], replicate_key: str | None) -> Parts:
    """Return the cells of two groups, each as one part, or by donor."""
    label = (
        column_of(adata.obs, groupby, "groupby").astype(object).map(lambda v: v if pd.isna(v) else str(v)).to_numpy()
    )
    one, other = (np.flatnonzero(label == str(n)) for n in names)
    for name, mine in zip(names, (one, other), strict=True):
        if len(mine) < MIN_CELLS:
            there = ", ".join(f"{printable(n)} ({c})" for n, c in pd.Series(label).value_counts().head(10).items())
            seen = f"Group {printable(name)} of obs[{groupby!r}] has {len(mine)} cells"
            msg = f"{seen}; {MIN_CELLS} are wanted. There is {there}."
            raise InputValueError(msg)
    if str(names[0]) == str(names[1]):
        msg = f"a and b are the same group, {printable(names[0])}. Pass two."
        raise InputValueError(msg)
    if replicate_key is None:
        return Parts([one], [other], replicates=False)
    donor = column_of(adata.obs, replicate_key, "replicate_key")
    if without := int(without_value(donor.iloc[np.concatenate([one, other])]).sum()):
        say(
            f"compare_grn: {in_words(without, 'cell')} of the groups without a value in obs[{replicate_key!r}] {are(without)} left out"
        )
    parts, left = parts_of(one, other, donor.to_numpy(), MIN_CELLS)
    n = [sum(len(p) > 0 for p in side) for side in (parts.a, parts.b)]
    if min(n) < MIN_DONORS:
        msg = (
            f"{MIN_DONORS} replicates of obs[{replicate_key!r}] with {MIN_CELLS} cells are wanted in each group; {printable(names[0])} has "
            f"{n[0]} and {printable(names[1])} {n[1]}{f' (too few cells: {listed(left[:5])})' if left else ''}. Leave replicate_key= out "
            "for intervals over cells, which say nothing of other donors."
        )
        raise InputValueError(msg)
    if left:
        say(f"compare_grn: without replicates that have fewer than {MIN_CELLS} cells in a group: {listed(left)}")
    return parts


def _by_cells(
    edges: pd.DataFrame,
    factors: pd.DataFrame,
    adata: "AnnData",
    layer: str | None,
    parts: Parts,
    rng: np.random.Generator,
    *,
    flip: bool,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return edges and factors with what the cells say, and how much of it random groups say too.

    What is drawn is drawn with the groups by name (``flip`` if they are not): which of them is called a decides nothing.
    """
    try:
        expression = open_expression(adata, layer=layer)
    except InputScaleError:
        if layer is not None:
            raise
        say("compare_grn: no matrix fits, so the cells say nothing of the difference")
        return edges, factors, pd.DataFrame()
    index = expression.var.index.astype(str)
    first = np.flatnonzero(~index.duplicated())
    x, genes = expression.log_normalized()[:, first].tocsr(), pd.Index(index[first])
    parts = parts.flipped() if flip else parts
    if not parts.replicates:
        parts = _at_random(parts, by_content(x), rng)
    sides = [p.flipped() if flip else p for p in (parts, *(_dealt(parts, rng) for _ in range(DEALT)))]
    told, *random = (by_cells(edges, factors, x, genes, p) for p in sides)
    n = np.array([[table["differs"].sum() for table in tables] for tables in (told, *random)])
    rows = {
        "groups": n[0],
        "random groups": np.median(n[1:], axis=0).astype(int),
        "random groups, most": n[1:].max(axis=0),
    }
    control = pd.DataFrame.from_dict(rows, orient="index", columns=["edges", "factors"])
    return largest_first(told[0]), largest_first(told[1]), control


def _at_random(parts: Parts, order: np.ndarray, rng: np.random.Generator) -> Parts:
    """Return the cells of two groups in parts that are drawn from an order of all cells."""
    place = np.argsort(order)
    one, other = (rows[np.argsort(place[rows])] for rows in (np.concatenate(parts.a), np.concatenate(parts.b)))
    return random_parts(one, other, min(PARTS, len(one) // 3, len(other) // 3), rng)


def _dealt(parts: Parts, rng: np.random.Generator) -> Parts:
    """Return random groups: donors that change sides, or cells."""
    if parts.replicates:
        return parts.exchanged(rng)
    one, other = (np.concatenate(side) for side in (parts.a, parts.b))
    drawn = rng.permutation(np.concatenate([one, other]))
    return random_parts(drawn[: len(one)], drawn[len(one) :], len(parts.a) // 2, rng)


def _is_true(edges: pd.DataFrame, truth: Any, adata: "AnnData", params: dict[str, Any]) -> np.ndarray:
    called = names_of(adata, params)
    organism = params.get("organism") or gene_names.detect_organism(called.to_numpy())
    to_symbol = GeneNames(called.to_numpy(), organism)
    tables = given_networks(truth, organism=organism, adata=adata, argument="truth")
    known = merged({n: check_edges(t) for n, t in tables.items()})
    pairs = pd.MultiIndex.from_arrays([to_symbol(known[c]) for c in ("source", "target")])
    return pd.MultiIndex.from_arrays(
        [to_symbol(edges[c].map(called).fillna(edges[c])) for c in ("source", "target")]
    ).isin(pairs)


def _verdict(
    edges: pd.DataFrame, factors: pd.DataFrame, control: pd.DataFrame, names: tuple[str, str], replicate_key: str | None
) -> str:
    n = edges["found"].value_counts().reindex(["both", "a", "b"], fill_value=0)
    a, b = map(printable, names)
    shares = f"{n['a']:,} in {a} alone, {n['b']:,} in {b} alone (Jaccard {n['both'] / len(edges):.2f})"
    said = [f"{in_words(n['both'], 'edge')} {are(n['both'])} in both, {shares}"]
    scores = edges.loc[edges["found"] == "both", ["score_a", "score_b"]]
    ranks = (scores.nunique() > 1).all()  # a list of edges without weights has none
    if len(scores) > 2 and ranks and not scores["score_a"].equals(scores["score_b"]):
        said[0] += (
            f"; of the shared ones the scores agree by {scores.corr(method='spearman').iloc[0, 1]:.2f} (Spearman)"
        )
    if "true" in edges:
        rows = counted(edges)
        told = ", ".join(
            f"{w} {r.n_true:,.0f} of {r.n:,.0f}" for w, r in zip(("both", a, b), rows.itertuples(), strict=True)
        )
        said.append(f"known among what is found by both or by one alone: {told}")
    if len(control):
        over = "donors" if replicate_key is not None else "cells"
        real, random, most = (control.loc[n] for n in ("groups", "random groups", "random groups, most"))
        word = (
            ""
            if real["edges"] > random["edges"] or real["factors"] > random["factors"]
            else ": no difference that chance does not make"
        )
        said.append(
            f"{real['edges']:,} of {len(edges):,} edges and {real['factors']:,} of {len(factors):,} factors differ (5 % false discoveries, "
            f"over {over}); in random groups {random['edges']:,} and {random['factors']:,} (median of {DEALT} draws, at most "
            f"{most['edges']:,} and {most['factors']:,}){word}"
        )
        if real["factors"] > random["factors"]:
            said.append(_most(factors, a, b))
    elif names[0] != names[1]:
        said.append("the networks are of the same cells: there is no interval, differences are of the methods")
    return "\n".join(s for s in said if s)


def _most(factors: pd.DataFrame, a: str, b: str) -> str:
    sure = factors[factors["differs"]]  # the largest difference first, as in the figure
    up, down = (sure[sign * sure["difference"] > 0]["source"].head(5) for sign in (1, -1))
    told = [f"in {w}: {', '.join(map(printable, names))}" for w, names in ((a, up), (b, down)) if len(names)]
    return f"more active {'; '.join(told)}" if told else ""
