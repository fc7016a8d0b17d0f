"""What ``tl.infer_grn`` takes from an AnnData: genes by one set of names, the prior, vectors, factors, expression."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools.links._collect import Data, collect
from scgnn_tools.links._registry import PREDICTORS

MODES = {"Activation": 1.0, "Repression": -1.0}
MIN_CELLS = 10
"""Fewer cells give no correlation, and no share of cells to speak of."""

__all__ = ["MIN_CELLS", "Data", "check_expression", "collect", "known_and_signs"]


def check_expression(data: Data, method: str) -> None:
    """Refuse, before any training, a method that needs expression where there is none to learn from."""
    if "expression" not in PREDICTORS[method].needs:
        return
    expression = data.inputs.expression
    if expression is None:
        msg = f"{method} needs expression of the data, and no matrix of the AnnData fits. Put counts into adata.layers['counts']."
        raise GraphError(msg)
    if expression.n_obs < MIN_CELLS:
        msg = f"{method} learns from expression and needs at least {MIN_CELLS} cells; there are {expression.n_obs}."
        raise InputValueError(msg)
    x = sp.csc_array(expression.X)
    spread = np.asarray(x.max(axis=0).todense() - x.min(axis=0).todense()).ravel()
    if not (spread > 0).any():
        msg = f"{method} learns from expression, and all {expression.n_vars:,} genes are constant over the cells."
        raise InputValueError(msg)


def known_and_signs(edges: pd.DataFrame, correlation: np.ndarray, data: Data) -> pd.DataFrame:
    """Return ``known``, ``sign`` and ``sign_from`` for each edge: the prior's mode, else the sign of the correlation."""
    key = pd.MultiIndex.from_frame(edges[["tf", "target"]])
    known = key.isin(pd.MultiIndex.from_frame(data.edges[["source", "target"]]))
    sign, origin = np.full(len(edges), np.nan), np.full(len(edges), "", dtype=object)
    told = np.isfinite(correlation) & (correlation != 0)
    sign[told], origin[told] = np.sign(correlation[told]), "data"
    if "mode" in data.edges:
        mode = data.edges.set_index(["source", "target"])["mode"].map(MODES).reindex(key).to_numpy()
        told = np.isfinite(mode)
        sign[told], origin[told] = mode[told], "prior"
    return pd.DataFrame({"known": known, "sign": sign, "sign_from": origin.astype(str)}, index=edges.index)
