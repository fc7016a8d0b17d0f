"""``tl.tf_activity``: how active each transcription factor is in each cell, by its targets, through decoupler."""

from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._choices import choice, integer
from scgnn_tools._doors import door
from scgnn_tools._errors import GraphError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import ACTIVITY, GRN, ActivityKeys
from scgnn_tools._log import counted, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key, safe_names
from scgnn_tools.data import open_expression
from scgnn_tools.grn.activity import METHODS, activity, with_decoupler
from scgnn_tools.grn.names import shown_names
from scgnn_tools.grn.table import network
from scgnn_tools.tl._regulons import regulons

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def tf_activity(
    adata: "AnnData | MuData",
    key: str = GRN,
    *,
    method: str = "ulm",
    group: str | None = None,
    n_targets: int | None = None,
    min_targets: int = 5,
    layer: str | None = None,
    mod: str = RNA,
    key_added: str = ACTIVITY,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Score the activity of each transcription factor in each cell from the expression of its targets, with decoupler.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on.
    key
        Name of the network.
    method
        A method of ``decoupler.mt``: "ulm", "mlm", "waggr", "zscore", "viper", "aucell", "udt", "mdt", "gsva", "gsea" or "ora".
    group
        Network of one group of cells; None takes all edges, and of an edge in several groups the best.
    n_targets
        Most targets of each transcription factor, best first.
    min_targets
        Transcription factors with fewer targets among the genes get no activity.
    layer
        "X", "raw" or a layer; None takes the first that fits. It is log-normalised if it holds counts.
    mod
        Modality of a MuData.
    key_added
        Name of the result.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.obsm[key_added]``
        DataFrame float32 (n_obs, n_factors): what the method makes, for "ulm" the t-value of the targets' signed weights against the
        expression of the cell. 0 for a cell without expression.
    ``adata.obsm[f"{key_added}_padj"]``
        DataFrame float32 (n_obs, n_factors): adjusted p-values, if the method tests.
    ``adata.uns[key_added]``
        dict: ``params``, and ``factors``, the names of the columns as they are, where a file could not hold them as names of columns.

    Raises
    ------
    MissingExtraError
        If decoupler is not installed.
    MissingKeyError, InputValueError, GraphError
        If there is no such network, method or group, no transcription factor has enough targets, no cell expresses a gene, or "mlm" cannot
        tell two factors apart; nothing is written.

    Examples
    --------
    >>> sgt.tl.tf_activity(adata)
    >>> adata.obsm["sgt_activity"].shape[0] == adata.n_obs
    True
    >>> sgt.pl.regulon_heatmap(adata, "cell_type")
    <Figure size ...>
    """
    target = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = ActivityKeys(check_key(key_added))
    check_apart([keys.uns], key=key)
    check_own(target, keys)
    choice("method", method, METHODS)
    min_targets = integer("min_targets", min_targets)
    net = regulons(target, key, group=group, n_targets=n_targets)
    decoupler = with_decoupler()
    expression = open_expression(target, layer=layer)
    genes = expression.var.index.astype(str)
    sizes = net[net["target"].isin(genes)].groupby("source").size()
    if sizes.empty or sizes.max() < min_targets:
        most = int(sizes.max()) if len(sizes) else 0
        msg = f"No factor has {min_targets} targets among the {len(genes):,} genes; the most is {most}. Lower min_targets."
        raise GraphError(msg)
    scores, adjusted = activity(decoupler, expression.log_normalized(), genes, net, method, min_targets)
    params: dict[str, Any] = {"method": method, "grn": key, "min_targets": min_targets, "matrix": expression.name}
    params |= {k: v for k, v in (("group", group), ("n_targets", n_targets)) if v is not None}
    called = shown_names(target, network(target, key).get("params", {}))
    factors = np.array([called.get(f, f) for f in scores.columns.astype(str)], dtype=object)
    scores = scores.set_axis(factors, axis=1)
    adjusted = None if adjusted is None else adjusted.set_axis(factors, axis=1)
    tables = {keys.obsm: scores} | ({} if adjusted is None else {keys.padj: adjusted})
    tables = {k: t.set_axis(safe_names(t.columns), axis=1).set_index(target.obs_names) for k, t in tables.items()}
    changed = write(
        adata,
        {"obsm": tables, "uns": {keys.uns: {"params": params, "factors": factors}}},
        copy=copy,
        mod=mod,
        stale={"obsm": [keys.padj]},
    )
    say(f"tf_activity: {method} of {counted(scores.shape[1], 'factor')} on {expression.name} -> obsm['{keys.obsm}']")
    return changed
