"""``tl.tf_knockout``: what the network says that cells do without a transcription factor, beside rewired networks."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import did_you_mean, integer, listed, number
from scgnn_tools._columns import column_of, groups_column, without_value
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import GRN, TF_KNOCKOUT, KnockoutKeys
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key, safe_names
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.grn.checks import MIN_CELLS
from scgnn_tools.grn.knockout import EVERY, Moved, NetworkCells
from scgnn_tools.grn.knockout_said import knockout_said
from scgnn_tools.grn.names import shown_names
from scgnn_tools.grn.table import edges_of, network

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def tf_knockout(
    adata: "AnnData | MuData",
    tf: str,
    *,
    key: str = GRN,
    group: str | None = None,
    labels_key: str | None = None,
    level: float = 0.0,
    n_steps: int = 3,
    n_targets: int | None = 100,
    n_shuffles: int = 30,
    layer: str | None = None,
    mod: str = RNA,
    key_added: str = TF_KNOCKOUT,
    rng: RNG = 0,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Set a transcription factor to zero, pass the change on over the network, and say where the cells go.

    The expression of a target is modelled as a linear sum over its transcription factors, by ridge regression on
    means over neighbouring cells. These are all cells, or the group's own if :func:`infer_grn` found that halves of
    them agree. The change is passed on for a few steps, and no gene leaves its observed range. The result is a
    statement about the network, not an experiment. The same is therefore done in rewired networks, where every
    transcription factor and every target has as many edges. Only what these do not do as well is owed to the network.

    Parameters
    ----------
    adata
        Object that :func:`infer_grn` or :func:`grn_from_edges` was called on.
    tf
        The transcription factor.
    key
        Name of the network. With groups each group's cells go by its own network.
    group
        This group alone; None takes all.
    labels_key
        Column of ``obs`` with cell types to go from and to; None takes the groups of the network.
    level
        Log-normalised expression that the transcription factor is set to; above 0 it is over-expressed.
    n_steps
        Edges that the signal passes, one after the other.
    n_targets
        Targets of each transcription factor, the best; None takes all.
    n_shuffles
        Rewired networks; of fewer than 20, and of none, nothing is said of how sure it is.
    layer
        "X", "raw" or a layer; None takes the first that fits. It is log-normalised if it holds counts.
    mod
        Modality of a MuData.
    key_added
        Name of the result.
    rng
        Seed of the rewiring.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.obsm[f"X_{key_added}"]``
        float32 (n_obs, n_components): where each cell is, in principal components of its neighbour means over the network's genes.
    ``adata.obsm[key_added]``
        float32 (n_obs, n_components): its shift; NaN for a cell of no group.
    ``adata.obsm[f"{key_added}_towards"]``
        DataFrame float32 (n_obs, n_types): how far it goes towards each type, as a share of the way between the centres of the types.
    ``adata.uns[key_added]["shift"]``
        DataFrame, a row a group: ``n_cells``, ``n_edges``, ``own_fit`` (weights of its own cells), ``length`` (mean length of the shift),
        ``rewired`` (the same of the rewired networks), ``p`` (share of these that shift the cells at least as far).
    ``adata.uns[key_added]["towards"]``
        DataFrame: ``from``, ``to``, ``n_cells``, ``share``, the interval of the rewired networks ``low``, ``high`` (2.5 and 97.5 %), and
        ``p``, two-sided.
    ``adata.uns[key_added]["genes"]``
        DataFrame: ``group``, ``gene``, ``change`` (mean, log-normalised), ``direct`` (a target itself); the 50 that change most.
    ``adata.uns[key_added]["verdict"]``
        str.
    ``adata.uns[key_added]["params"]``
        dict.

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such network, group or transcription factor, the transcription factor has no target or is expressed
        nowhere; nothing is written.

    Examples
    --------
    >>> sgt.tl.tf_knockout(adata, "JUN", labels_key="cell_type", n_shuffles=5)
    >>> adata.uns["sgt_tf_knockout"]["shift"].columns[:3].tolist()
    ['group', 'n_cells', 'n_edges']
    """
    target = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = KnockoutKeys(check_key(key_added))
    check_apart([keys.uns], key=key)
    check_own(target, keys)
    number("level", level, least=0)
    n_steps, n_shuffles = integer("n_steps", n_steps, most=10), integer("n_shuffles", n_shuffles, least=0)
    params = network(target, key).get("params", {})
    edges = edges_of(target, key, group=group, n_targets=n_targets, merge="group" not in network(target, key)["edges"])
    name = _factor(tf, edges, target, params)
    labels_key = params.get("groupby") if labels_key is None else labels_key
    types = None if labels_key is None else _labels(target, labels_key)
    data = NetworkCells.of(target, edges, layer, seed(rng))
    own = data.column(name)
    if own < 0:
        msg = f"{printable(tf)} is in the network but no gene of the data, which may have been subset since; infer the network again."
        raise InputValueError(msg)
    if data.cells.raw[:, [own]].nnz == 0:
        msg = f"{printable(tf)} is expressed in no cell, so there is nothing to knock out."
        raise InputValueError(msg)
    parts = _groups(target, edges, params, group)
    how: dict[str, Any] = {"level": float(level), "n_steps": n_steps}
    reliable = _reliable(network(target, key))
    moved = Moved(data, edges)
    for called, rows, mine in progress(parts, total=len(parts), what="knock out", unit="group"):
        moved.add(called, rows, mine, data, own, how, n_shuffles, generator(rng), own_fit=called in reliable)
    if not moved.rows:
        there = listed(sorted(edges.loc[edges["source"] == name, "group"].unique())) if "group" in edges else "none"
        msg = (
            f"{printable(tf)} has no target in a group of {MIN_CELLS} cells or more that expresses it; groups: {there}."
        )
        raise InputValueError(msg)
    towards, per_cell = moved.towards(data.places, types)
    shift = pd.DataFrame(moved.table)
    genes = pd.concat(moved.genes, ignore_index=True)
    genes["gene"] = genes["gene"].map(shown_names(target, params)).fillna(genes["gene"])
    told = knockout_said(tf, level, shift, towards, n_shuffles)
    noted: dict[str, Any] = {
        "tf": str(tf),
        "grn": key,
        **how,
        "n_shuffles": n_shuffles,
        "seed": seed(rng),
        "matrix": data.matrix,
    }
    noted |= {
        k: v for k, v in (("group", group), ("labels_key", labels_key), ("n_targets", n_targets)) if v is not None
    }
    obsm: dict[str, Any] = {keys.start: data.places.astype(np.float32), keys.shift: moved.shift.astype(np.float32)}
    if per_cell is not None:
        named = per_cell.set_axis(safe_names(per_cell.columns), axis=1).set_index(target.obs_names)
        obsm[keys.towards] = named
    entry = {"shift": shift, "towards": towards, "genes": genes, "verdict": told, "params": noted}
    changed = write(adata, {"obsm": obsm, "uns": {keys.uns: entry}}, copy=copy, mod=mod)
    say(f"tf_knockout: {told} -> obsm['{keys.shift}'], uns['{keys.uns}']")
    return changed


def _factor(tf: str, edges: pd.DataFrame, adata: "AnnData", params: dict[str, Any]) -> str:
    """Return the factor by ``var_names``."""
    factors = edges["source"].astype(str).unique()
    called = shown_names(adata, params).reindex(factors)
    shown = called.where(called.notna(), called.index.to_series()).astype(str)
    found = [f for f, s in shown.items() if str(tf) in (f, s)]
    if not found:
        names = shown.tolist()
        asked = printable(tf) if str(tf).strip() else printable(repr(tf))
        msg = f"{asked} is no factor of the network; factors are {listed(names[:5])}, ….{did_you_mean(str(tf), names)}"
        raise InputValueError(msg)
    return str(found[0])


def _reliable(entry: dict[str, Any]) -> set[str]:
    """Return the groups whose own cells say something of the network."""
    table = entry.get("evaluation", {}).get("reliability")
    return set() if table is None else set(table.index[table["own"].astype(bool)].astype(str))


def _labels(adata: "AnnData", labels_key: str) -> pd.Series:
    labels = groups_column(adata.obs, labels_key, "labels_key")
    return labels.astype(object).map(str).where(~without_value(labels), np.nan)


def _groups(
    adata: "AnnData", edges: pd.DataFrame, params: dict[str, Any], group: str | None
) -> list[tuple[str, np.ndarray, pd.DataFrame]]:
    """Return the cells and the edges of each group; all cells of a network without."""
    groupby = params.get("groupby")
    if "group" not in edges or groupby is None:
        return [(EVERY if group is None else str(group), np.arange(adata.n_obs), edges)]
    label = column_of(adata.obs, groupby, "groupby").astype(str).to_numpy()
    return [(str(g), np.flatnonzero(label == str(g)), mine) for g, mine in edges.groupby(edges["group"].astype(str))]
