"""``tl.tf_activity``: how active each transcription factor is in each cell, by its targets, through decoupler."""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer
from scgnn_tools._doors import door
from scgnn_tools._errors import GraphError, InputValueError, MissingExtraError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import ACTIVITY, GRN, ActivityKeys
from scgnn_tools._log import counted, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key, safe_names
from scgnn_tools.data import CHUNK, open_expression
from scgnn_tools.grn.names import shown_names
from scgnn_tools.grn.table import network
from scgnn_tools.tl._regulons import regulons

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

ACROSS_CELLS = ("gsva",)
"""Methods that compare cells; of the others each cell stands for itself."""

METHODS = ("ulm", "mlm", "waggr", "zscore", "viper", "aucell", "udt", "mdt", "gsva", "gsea", "ora")


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
    decoupler = _decoupler()
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


def activity(
    decoupler: Any, x: Any, genes: pd.Index, net: pd.DataFrame, method: str, min_targets: int
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the activities (n_cells, n_factors), and adjusted p-values or None, of log-normalised expression (n_cells, n_genes)."""
    import anndata as ad
    import scipy.sparse as sp

    first = ~genes.duplicated()
    names = pd.RangeIndex(x.shape[0]).astype(str)
    # a cell without expression is left out and gets 0: decoupler would leave it out of the answer
    full = np.flatnonzero(np.diff(sp.csr_array(x).indptr) > 0)
    if not len(full):
        msg = "No cell expresses any gene: there is no activity to score. Pass layer= for another matrix."
        raise InputValueError(msg)
    if method == "gsva":  # it ranks each gene over the cells: a constant one has no rank
        first = first & _varies(sp.csc_array(sp.csr_array(x)[full]))
        net = net[net["target"].isin(genes[first])]
        if net.groupby("source").size().max() < min_targets or net.empty:
            msg = f"No factor has {min_targets} targets that differ between cells, which gsva needs. Lower min_targets, or use ulm."
            raise GraphError(msg)
    at = np.flatnonzero(first)
    # by name: some methods of decoupler break ties by the order of the genes
    at = at[np.argsort(genes[at].to_numpy(str), kind="stable")]
    size, parts = len(full) if method in ACROSS_CELLS else CHUNK, []
    for start in range(0, len(full), size):  # decoupler makes the whole matrix dense
        here = full[start : start + size]
        some = sp.csr_matrix(sp.csr_array(x)[here][:, at])
        cells = ad.AnnData(some, obs=pd.DataFrame(index=names[here]), var=pd.DataFrame(index=genes[at]))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numba and pandas talk inside
                result = getattr(decoupler.mt, method)(cells, net, tmin=min_targets, empty=False, verbose=False)
        except ImportError as error:
            msg = f"{method} needs another package: {error}"
            raise MissingExtraError(msg) from error
        except np.linalg.LinAlgError as error:  # mlm inverts the targets of all factors at once
            msg = f"{method} cannot tell apart factors whose targets have the same weights. Take method='ulm', which scores each alone."
            raise GraphError(msg) from error
        found = result if result is not None else (_found(cells, "score"), _found(cells, "padj"))
        parts.append([None if table is None else table.astype(np.float32) for table in found])
    scores, adjusted = zip(*parts, strict=True)
    whole = None if adjusted[0] is None else pd.concat(adjusted).reindex(names).fillna(1.0)
    return pd.concat(scores).reindex(names).fillna(0.0), whole


def _varies(x: Any) -> Any:
    """Return which columns of a matrix are not constant, bool (n_genes,)."""
    return (x.max(axis=0).toarray() > x.min(axis=0).toarray()).ravel()


def _found(cells: Any, kind: str) -> Any:
    return next((cells.obsm[k] for k in cells.obsm if k.startswith(f"{kind}_")), None)


def _decoupler() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("decoupler")
    except ImportError as error:
        msg = "tf_activity needs decoupler, which is not installed. Run: pip install 'scgnn_tools[activity]'"
        raise MissingExtraError(msg) from error
