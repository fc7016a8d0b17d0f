"""What is refused before any training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools.grn.collect import Data
from scgnn_tools.links import PREDICTORS

MIN_CELLS = 10
"""Fewer cells give no correlation, and no share of cells to speak of."""


def check_expression(data: Data, method: str, options: Mapping[str, Any]) -> None:
    """Refuse, before any training, a method that needs expression where there is none to learn from."""
    if "expression" not in PREDICTORS[method].needed(options):
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
