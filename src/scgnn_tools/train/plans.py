"""What decides the result of a training, for its plan: a model's content, the weights that a run began with, the folder of the run."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from scgnn_tools.fm.scnetformer.graph import TokenGraph
from scgnn_tools.store import RunFolder, digest
from scgnn_tools.store.plan import differences
from scgnn_tools.train._resume import weights_digest
from scgnn_tools.train.full_batch import AGAIN
from scgnn_tools.train.processes import is_first

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

BESIDE = {"card", "report", "network", "vocabulary", "device", "dtype", "max_tokens"}
"""What of a model has a line of its own in a plan, or decides nothing."""

TYPED = {"max_cells": "batch_size", "seed": "rng"}
"""Parts of a plan that have another name where a user types them."""

NEVER = "None"
"""Patience in the plan of a training without early stopping."""

_LEFT: "WeakKeyDictionary[nn.Module, tuple[Path, str, str]]" = WeakKeyDictionary()
"""By network: the folder of its last run, the weights that this began with, and those that it left."""


def model_parts(model: "NetworkModel") -> dict[str, object]:
    """Return what a model is beside its weights: its kind, its genes in order, its options, graphs and tables."""
    options = {k: _plain(v) for k, v in vars(model).items() if k not in BESIDE and not k.startswith("_")}
    return {"model": model.card.name, "genes": digest(model.vocabulary), "options of the model": digest(options)}


def _plain(value: Any) -> Any:
    if isinstance(value, TokenGraph):
        return value.arrays()
    if isinstance(value, torch.Tensor):
        return weights_digest({"": value})
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value


def start_of(network: nn.Module, folder: Path | None) -> str:
    """Return the digest of the weights that a run in ``folder`` began with: those of now, unless that run left these."""
    now = weights_digest(network.state_dict())
    last, start, left = _LEFT.get(network, (None, "", ""))
    return start if folder is not None and last == folder.absolute() and left == now else now


def leave(network: nn.Module, folder: Path | None, start: str) -> None:
    """Remember what a run left."""
    if folder is not None:
        _LEFT[network] = (folder.absolute(), start, weights_digest(network.state_dict()))


def in_words_of_train(there: Mapping[str, object], here: Mapping[str, object]) -> list[str]:
    """Return the parts in which two plans differ, by the arguments of ``train()`` that they come from."""
    told, asked = ({TYPED.get(k, k): v for k, v in plan.items()} for plan in (there, here))
    stops = [str(plan.get("patience")) != NEVER for plan in (told, asked)]
    if stops[0] != stops[1]:
        for plan, early in zip((told, asked), stops, strict=True):
            plan.pop("patience", None)
            plan["early_stopping"] = str(early)
    return differences(told, asked)


def claim(
    folder: Path | None,
    plan: Callable[[], Mapping[str, object]],
    *,
    resume: bool,
    compare: Callable[[Mapping[str, object], Mapping[str, object]], list[str]] = in_words_of_train,
) -> None:
    """Make a folder that of a run; of several processes, only the first forgets what is there without ``resume``.

    Options of methods go by their own names: there ``compare`` is :func:`scgnn_tools.store.plan.differences`.
    """
    if folder is not None:
        RunFolder(folder, plan(), resume=resume or not is_first(), hint=AGAIN, compare=compare)
