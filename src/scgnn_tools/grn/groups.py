"""The groups of cells that get a network of their own."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools._choices import column, number
from scgnn_tools._errors import InputValueError, SgtWarning
from scgnn_tools._log import printable
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
    column("groupby", groupby, adata.obs)
    sizes = adata.obs[groupby].dropna().astype(str).value_counts()
    if sizes.empty or sizes.max() < MIN_CELLS:
        most = int(sizes.max()) if len(sizes) else 0
        msg = f"No group of obs[{groupby!r}] has {MIN_CELLS} cells; the largest has {most}. Group the cells more coarsely."
        raise InputValueError(msg)


def groups_of(adata: "AnnData", groupby: str | None, data: Data, min_expressed: float) -> list[Group]:
    """Return one group of all cells, or those of a column; a group's factors and targets are what enough of its cells express."""
    if groupby is None:
        return [everything(data.inputs)]
    expression = data.inputs.expression
    if expression is None:
        msg = f"groupby={groupby!r} needs expression, and no matrix of the AnnData fits. Put counts into adata.layers['counts']."
        raise InputValueError(msg)
    label = adata.obs[groupby].astype(object).map(lambda v: v if pd.isna(v) else str(v))
    first = ~expression.var_names.duplicated()
    column = pd.Series(np.flatnonzero(first), index=expression.var_names[first]).reindex(data.inputs.genes)
    groups, left = [], []
    for name in sorted(label.dropna().unique()):
        cells = np.flatnonzero((label == name).to_numpy())
        share = np.asarray((expression.X[cells] > 0).sum(axis=0)).ravel() / len(cells)
        here = np.zeros(len(column), dtype=bool)
        known = column.notna().to_numpy()
        here[known] = share[column[known].to_numpy(dtype=np.int64)] >= max(min_expressed, MIN_EXPRESSING / len(cells))
        if len(cells) < MIN_CELLS or not np.isin(data.tfs, data.inputs.genes[here]).any():
            left.append(f"{printable(name)} ({len(cells)} cells)")
        else:
            groups.append(Group(name, cells, here))
    if not groups:
        msg = f"No group of obs[{groupby!r}] has {MIN_CELLS} cells and expresses a transcription factor: {', '.join(left)}."
        raise InputValueError(msg)
    if left:
        msg = (
            f"No network for {', '.join(left)}: fewer than {MIN_CELLS} cells, or no transcription factor is expressed."
        )
        warnings.warn(msg, SgtWarning, stacklevel=3)
    return groups
