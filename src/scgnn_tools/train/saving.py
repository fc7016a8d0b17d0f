"""A fine-tuned model on disk: its network as any other model's, its head and its words beside it, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path
from scgnn_tools.fm import NetworkModel, load, saves
from scgnn_tools.train import tasks

if TYPE_CHECKING:
    from scgnn_tools.train.finetune import FineTuner

NETWORK, KIND = "network", "FineTuner"
WORDS = ("task_name", "adapt", "rank", "classes", "share", "_names", "_seed")


def save(tuner: "FineTuner", history: pd.DataFrame, folder: str | Path, *, overwrite: bool) -> None:
    """Write a tuner that is trained."""
    tensors = {k: v.detach().cpu().numpy() for k, v in tuner.task.state_dict().items()}
    about: dict[str, Any] = {k: getattr(tuner, k) for k in WORDS}
    rows = {k: history[k].tolist() for k in ("loss", "validation")}
    width = next((p.shape[1] for p in tuner.task.parameters() if p.ndim == 2), 0)  # that the head reads
    about |= {"width": width, "class": KIND, "model": tuner.model.card.name, "history": rows}
    # a task without a head has no tensor, and a file of none is no file of tensors to every reader
    tensors = tensors or {"none": np.zeros(1, dtype=np.float32)}
    saves.save(folder, tensors, about, beside=lambda part: tuner.model.save(part / NETWORK), overwrite=overwrite)


def restore(tuner: "FineTuner", folder: str | Path, device: str) -> None:
    """Put what :func:`save` wrote into a new tuner.

    Raises
    ------
    WeightsError
        If the folder is damaged or holds something else.
    """
    folder = as_path("folder", folder)
    raw = raw_of(folder, KIND)
    with saves.understood(folder, f"{KIND} that fits together"):
        _fill(tuner, raw, folder, device)


def raw_of(folder: Path, kind: str) -> dict[str, Any]:
    """Return the words of a folder, whose tensors are not read yet.

    Raises
    ------
    WeightsError
        If it is damaged or of another class than ``kind``.
    """
    raw = saves.read_raw(folder)
    if raw.get("class") != kind:
        msg = f"{folder} holds a {printable(raw.get('class') or raw.get('model'))}; {kind} was asked for."
        raise WeightsError(msg)
    return raw


def _fill(tuner: "FineTuner", raw: Mapping[str, Any], folder: Path, device: str) -> None:
    model = load(raw["model"], checkpoint=folder / NETWORK, device=device)
    if not isinstance(model, NetworkModel):
        msg = f"{folder / NETWORK} holds no network. Save the model again."
        raise WeightsError(msg)
    for name in WORDS:
        setattr(tuner, name, raw[name])
    tuner.model = model if tuner.task_name == "classification" else model.contextual()
    tuner.task = _empty(tuner, raw["width"])
    state = tuner.task.state_dict()
    shapes = {k: tuple(v.shape) for k, v in state.items()} or {"none": (1,)}
    tensors, _ = saves.load(folder, shapes)
    tuner.task.load_state_dict({k: torch.as_tensor(tensors[k]) for k in state})
    tuner.task.to(tuner.model.device).eval().requires_grad_(False)
    tuner.history = pd.DataFrame(raw["history"], columns=["loss", "validation"], dtype=float).rename_axis("epoch")


def _empty(tuner: "FineTuner", width: int) -> tasks.CellTask:
    """Return a task of the right shape, whose head is filled afterwards."""
    n_classes = len(tuner.classes)
    if tuner.task_name == "classification":
        return tasks.ClassificationTask(np.zeros((2, width), dtype=np.float32), np.arange(n_classes), n_classes)
    if tuner.task_name == "expression":
        return tasks.ExpressionTask(width, sp.csr_array(np.ones((1, 1), dtype=np.float32)), tuner.share)
    return tasks.MaskedTask(tuner.share)
