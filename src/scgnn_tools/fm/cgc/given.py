"""A Cell-Graph Compass that a method was given, or is to load: checked, and copied before it is trained."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import cast

import scipy.sparse as sp
import torch
from torch import nn

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import Tokens
from scgnn_tools.fm._registry import load
from scgnn_tools.fm.cgc.model import CGCModel


def check_given(model: CGCModel | None, checkpoint: str | Path | None) -> None:
    """Refuse both at once, and a model of another kind."""
    if model is not None and checkpoint is not None:
        msg = "Pass model= or checkpoint=, not both."
        raise InputValueError(msg)
    if model is not None and not isinstance(model, CGCModel):
        msg = f"model is a Cell-Graph Compass, loaded with sgt.fm.load('cgc', checkpoint=…); got {model!r}."
        raise InputValueError(msg)


def borrowed(
    model: CGCModel | None, checkpoint: str | Path | None, device: torch.device, *, graph: bool = True
) -> CGCModel:
    """Return a copy of the model, or of the one at the checkpoint, whose network can be trained; on request without its messages."""
    given = cast("CGCModel", model or load("cgc", checkpoint=checkpoint, device=str(device)))
    out = copy.copy(given)
    out.network = copy.deepcopy(given.network)
    if not graph:
        out.network.graph = nn.ModuleList()
        out.sizes = replace(given.sizes, n_graph_layers=0)
    return out


def tokenize_projected(model: CGCModel, expression: sp.csr_array, to_vocabulary: sp.csr_array) -> Tokens:
    """Return the tokens of log-normalised cells whose columns are brought to the vocabulary first."""
    rows = sp.csr_array(expression @ to_vocabulary)
    rows.sort_indices()
    rows.eliminate_zeros()
    return model.tokenize_rows(rows, "log1p", None)
