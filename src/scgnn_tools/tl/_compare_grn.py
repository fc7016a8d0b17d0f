"""``tl.compare_grn``: two networks, of two groups, conditions, methods or runs, and how sure their difference is."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import genes as gene_names
from scgnn_tools._choices import integer, listed
from scgnn_tools._columns import column_of, groups_column, without_value
from scgnn_tools._doors import door
from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._keys import GRN
from scgnn_tools._log import are, counted, printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, generator
from scgnn_tools.data import open_expression
from scgnn_tools.grn.checks import MIN_CELLS
from scgnn_tools.grn.compare import GrnComparison, counts_of, known, overlaps, side_by_side
from scgnn_tools.grn.compare_said import comparison_said
from scgnn_tools.grn.control import beside_random_groups
from scgnn_tools.grn.given import given_networks
from scgnn_tools.grn.jackknife import Parts, parts_of
from scgnn_tools.grn.names import names_of, shown_names, with_names
from scgnn_tools.grn.table import edges_of, network

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

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
    for name, value in (("a", a), ("b", b)):
        if not pd.api.types.is_scalar(value):
            msg = f"{name} is the name of one group or network; got {printable(repr(value))}."
            raise InputTypeError(msg)
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
        edges["true"] = _known(edges, truth, target, params)
    names, control = (str(a), str(b)), pd.DataFrame()
    if parts is not None and (cells := _cells(target, layer)) is not None:
        edges, factors, control = beside_random_groups(edges, factors, *cells, parts, random, flip=names[0] > names[1])
    if "gene_key" in params:
        called = shown_names(target, params)
        edges, factors = with_names(edges, called), with_names(factors, called)
    said = comparison_said(edges, factors, control, names, donors=replicate_key is not None, n_targets=n_targets)
    out = GrnComparison(edges, factors, counts_of(edges), control, names, said)
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
    if a == b:
        msg = f"a and b are the same network, {printable(a)}. Pass two."
        raise InputValueError(msg)
    found = tuple(edges_of(adata, n, n_targets=n_targets) for n in (a, b))
    return found, network(adata, a).get("params", {}), ""  # type: ignore[return-value]


def _parts(adata: "AnnData", groupby: str, names: tuple[str, str], replicate_key: str | None) -> Parts:
    """Return the cells of two groups, each as one part, or by donor."""
    label = (
        groups_column(adata.obs, groupby, "groupby")
        .astype(object)
        .map(lambda v: v if pd.isna(v) else str(v))
        .to_numpy()
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
            f"compare_grn: {counted(without, 'cell')} of the groups without a value in obs[{replicate_key!r}] {are(without)} left out"
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


def _cells(adata: "AnnData", layer: str | None) -> tuple[sp.csr_array, pd.Index] | None:
    """Return the log-normalised cells and their genes, each once; None where no matrix fits."""
    try:
        expression = open_expression(adata, layer=layer)
    except InputScaleError:
        if layer is not None:
            raise
        say("compare_grn: no matrix fits, so the cells say nothing of the difference")
        return None
    index = expression.var.index.astype(str)
    first = np.flatnonzero(~index.duplicated())
    return expression.log_normalized()[:, first].tocsr(), pd.Index(index[first])


def _known(edges: pd.DataFrame, truth: Any, adata: "AnnData", params: dict[str, Any]) -> np.ndarray:
    """Return which edges a network that the user names has."""
    called = names_of(adata, params)
    organism = params.get("organism") or gene_names.detect_organism(called.to_numpy())
    return known(edges, given_networks(truth, organism=organism, adata=adata, argument="truth"), called, organism)
