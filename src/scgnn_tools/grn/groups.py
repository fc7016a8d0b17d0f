"""The groups of cells that get a network of their own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import number
from scgnn_tools._columns import groups_column, without_value
from scgnn_tools._errors import InputScaleError, InputValueError, warn
from scgnn_tools._log import are, as_text, counted, printable, say
from scgnn_tools.data import open_expression
from scgnn_tools.data.drawn import drawn_cells
from scgnn_tools.grn.checks import MIN_CELLS, Data
from scgnn_tools.grn.score import Group, everything

if TYPE_CHECKING:
    from anndata import AnnData

MIN_EXPRESSING = 5
"""Cells that express a gene, at least, whatever share of the group they are: two genes of the same one cell correlate perfectly."""


def check_groups(adata: "AnnData", groupby: str | None, min_expressed: float) -> None:
    """Refuse, before any work, groups that cannot be formed."""
    number("min_expressed", min_expressed, least=0, below=1)
    if groupby is None:
        return
    column = groups_column(adata.obs, groupby, "groupby")
    sizes = column[~without_value(column)].astype(str).value_counts()
    if sizes.empty or sizes.max() < MIN_CELLS:
        most = int(sizes.max()) if len(sizes) else 0
        msg = f"No group of obs[{groupby!r}] has {MIN_CELLS} cells; the largest has {most}. Group the cells more coarsely."
        raise InputValueError(msg)


def expresses(x: sp.csr_array, min_expressed: float) -> np.ndarray:
    """Return which genes enough of the cells express that a group's network may hold them, bool (n_genes,)."""
    share = np.asarray((x > 0).sum(axis=0)).ravel() / x.shape[0]
    return share >= max(min_expressed, MIN_EXPRESSING / x.shape[0])


def genes_held(adata: "AnnData", params: Mapping[str, Any], group: str | None) -> np.ndarray | None:
    """Return the genes that a network, or that of a group, could hold by what infer_grn noted; None if they are not to be told."""
    groupby = params.get("groupby")
    if "min_expressed" not in params or (groupby is not None and groupby not in adata.obs):
        return None
    try:
        expression = open_expression(adata)
    except InputScaleError:
        return None
    if not expression.var.index.equals(adata.var_names):
        return None
    names = [None] if groupby is None else [str(g) for g in (params["groups"] if group is None else [group])]
    label = None if groupby is None else as_text(adata.obs[groupby])
    strata = None if label is None else pd.factorize(label, sort=True)[0]  # as infer_grn draws them
    some = drawn_cells(expression, int(params["n_cells"]) if "n_cells" in params else None, strata)
    x = expression.log_normalized(some)
    label = label if label is None or some is None else label[some]
    parts = [x if label is None else x[np.flatnonzero(label == name)] for name in names]
    if min(part.shape[0] for part in parts) < MIN_CELLS:
        return None
    held = np.any([expresses(part, float(params["min_expressed"])) for part in parts], axis=0)
    return adata.var_names[held].to_numpy(dtype=object)


def groups_of(adata: "AnnData", groupby: str | None, data: Data, min_expressed: float) -> list[Group]:
    """Return one group of all cells, or those of a column; a group's genes are those that enough of its cells express."""
    expression = data.inputs.expression
    if groupby is None:
        if expression is None or expression.n_obs < MIN_CELLS:
            return [everything(data.inputs)]
        here = _expressed(data, np.arange(expression.n_obs), min_expressed)
        return (
            [Group("", None, here)] if np.isin(data.tfs, data.inputs.genes[here]).any() else [everything(data.inputs)]
        )
    if expression is None:
        msg = f"groupby={groupby!r} needs expression, and no matrix of the AnnData fits. Put counts into adata.layers['counts']."
        raise InputValueError(msg)
    column = adata.obs[groupby] if data.cells is None else adata.obs[groupby].iloc[data.cells]
    label, without = as_text(column), without_value(column)
    if n := int(without.sum()):
        say(f"infer_grn: {counted(n, 'cell')} without a value in obs[{groupby!r}] {are(n)} in no group")
    groups, left = [], []
    for name in sorted(set(label[~without])):
        cells = np.flatnonzero((label == name) & ~without)
        here = _expressed(data, cells, min_expressed)
        if len(cells) < MIN_CELLS or not np.isin(data.tfs, data.inputs.genes[here]).any():
            left.append(f"{printable(name)} ({counted(len(cells), 'cell')})")
        else:
            groups.append(Group(name, cells, here))
    if not groups:
        msg = f"No group of obs[{groupby!r}] has {MIN_CELLS} cells and expresses a transcription factor: {', '.join(left)}."
        raise InputValueError(msg)
    if left:
        msg = (
            f"No network for {', '.join(left)}: fewer than {MIN_CELLS} cells, or no transcription factor is expressed."
        )
        warn(msg)
    return groups


def _expressed(data: Data, cells: np.ndarray, min_expressed: float) -> np.ndarray:
    """Say which genes enough of some cells express, bool (n_genes,)."""
    expression = data.inputs.expression
    first = ~expression.var_names.duplicated()  # type: ignore[union-attr]
    at = pd.Series(np.flatnonzero(first), index=expression.var_names[first]).reindex(data.inputs.genes)  # type: ignore[union-attr]
    known = at.notna().to_numpy()
    out = np.zeros(len(at), dtype=bool)
    out[known] = expresses(expression.X[cells], min_expressed)[at[known].to_numpy(dtype=np.int64)]  # type: ignore[union-attr]
    return out
