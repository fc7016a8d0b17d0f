"""A network that a method was given, or is to load: checked, and copied before it is trained."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import scipy.sparse as sp
import torch
from torch import nn

from scgnn_tools._errors import InputValueError
from scgnn_tools._write import as_path
from scgnn_tools.data import Tokens
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm._registry import card, load
from scgnn_tools.nn.embeddings import N_SPECIAL


def check_given(
    model: Any, checkpoint: str | Path | None, kind: type[NetworkModel], *, name: str, needed: bool = False
) -> None:
    """Refuse a model of another kind, a checkpoint that is no path, model and checkpoint at once, and neither where one is needed."""
    if model is not None and checkpoint is not None:
        msg = "Pass model= or checkpoint=, not both."
        raise InputValueError(msg)
    if checkpoint is not None:
        as_path("checkpoint", checkpoint)
    if needed and model is None and checkpoint is None:
        where = f"sgt.fm.card({name!r}) says where they are"
        msg = f"{name} tunes a pretrained network: pass checkpoint='<folder of its weights>' ({where}), or model=."
        raise InputValueError(msg)
    if model is not None and not isinstance(model, kind):
        msg = (
            f"model is a network of {card(name).title}, loaded with sgt.fm.load({name!r}, checkpoint=…); got {model!r}."
        )
        raise InputValueError(msg)


def borrowed(model: Any, checkpoint: str | Path | None, device: torch.device, *, name: str, graph: bool = True) -> Any:
    """Return a copy of the model, or of the one at the checkpoint, whose network can be trained.

    Without ``graph`` a Cell-Graph Compass loses its messages and keeps its other weights.
    """
    given: Any = model or load(name, checkpoint=checkpoint, device=str(device))
    out = copy.copy(given)
    out.network = copy.deepcopy(given.network)
    if not graph:
        out.network.graph = nn.ModuleList()
        out.sizes = replace(given.sizes, n_graph_layers=0)
        out.config = {**given.config, "n_graph_layers": 0}
    return out


def flags_of(model: NetworkModel) -> torch.Tensor | None:
    """Return the table of special tokens that a checkpoint held, (3, dim): what a flag means to a network that was tuned before."""
    table = model.network.state_dict().get("special.weight")
    return table if table is not None and len(table) == N_SPECIAL else None


def with_flags(model: Any, table: nn.Embedding) -> Any:
    """Return the model with this table of special tokens, so that it is saved with it."""
    out = copy.copy(model)
    out.sizes = replace(model.sizes, n_special=table.num_embeddings)
    out.config = {**model.config, "n_special": table.num_embeddings}
    out.network = copy.deepcopy(model.network)
    out.network.special = copy.deepcopy(table)
    return out


def tokenize_projected(model: NetworkModel, expression: sp.csr_array, to_vocabulary: sp.csr_array) -> Tokens:
    """Return the tokens of log-normalised cells whose columns are brought to the vocabulary first."""
    rows = sp.csr_array(expression @ to_vocabulary)
    rows.sort_indices()
    rows.eliminate_zeros()
    return model.tokenize_rows(rows, "log1p", None)
