"""What the data say of an edge, whatever the method: correlation and common expression, by group of cells; the vectors' cosine."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from scgnn_tools.grn.score import Group
from scgnn_tools.links.cosine import Cosine
from scgnn_tools.links.pcc import PCC


def of_data(
    edges: pd.DataFrame, expression: AnnData | None, embedding: pd.DataFrame, groups: list[Group]
) -> pd.DataFrame:
    """Return ``correlation`` over the cells of the edge's group, and ``cosine``.

    With groups also ``coexpressed``, the share of the group's cells that express both genes, and ``specificity``, that share less its
    mean over the other groups.
    """
    out = pd.DataFrame({"correlation": np.full(len(edges), np.nan)}, index=edges.index)
    out["cosine"] = Cosine().fit(edges.assign(label=1), embedding=embedding).score(edges)
    if expression is None:
        return out
    for group in groups:
        mine = (edges["group"] == group.name).to_numpy()
        cells = expression if group.cells is None else expression[group.cells]
        with np.errstate(invalid="ignore"):
            out.loc[mine, "correlation"] = PCC().fit(expression=cells).signed(edges[mine])
    if groups[0].cells is None:
        return out
    shares = np.stack([coexpressed(expression, g.cells, edges) for g in groups])  # type: ignore[arg-type]  # (n_groups, n_edges)
    own = edges["group"].map({g.name: i for i, g in enumerate(groups)}).to_numpy()
    out["coexpressed"] = shares[own, np.arange(len(edges))]
    rest = (shares.sum(axis=0) - out["coexpressed"].to_numpy()) / max(1, len(groups) - 1)
    out["specificity"] = out["coexpressed"] - rest if len(groups) > 1 else np.nan
    return out


def coexpressed(expression: AnnData, cells: np.ndarray, edges: pd.DataFrame) -> np.ndarray:
    """Return the share of the cells that express both ends of each edge; NaN where a gene is not in the expression."""
    index = expression.var_names[~expression.var_names.duplicated()]
    column = pd.Series(np.flatnonzero(~expression.var_names.duplicated()), index=index)
    a, b = (edges[c].map(column) for c in ("tf", "target"))
    there = (a.notna() & b.notna()).to_numpy()
    out = np.full(len(edges), np.nan)
    if not there.any():
        return out
    left, i = np.unique(a[there].to_numpy(dtype=np.int64), return_inverse=True)
    right, j = np.unique(b[there].to_numpy(dtype=np.int64), return_inverse=True)
    on = sp.csc_array(expression.X[cells] > 0).astype(np.float32)
    both = np.asarray((on[:, left].T @ on[:, right]).todense())  # (n_factors, n_targets)
    out[there] = both[i, j] / len(cells)
    return out
