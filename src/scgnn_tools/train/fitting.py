"""Train the head of a task and what is not frozen of a network, on tokens that are there already."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from scgnn_tools.data import Tokens
from scgnn_tools.nn.lora import merge_lora
from scgnn_tools.train.lightning import Module, run

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel
    from scgnn_tools.train.tasks import Task


def fit_task(
    model: "NetworkModel",
    task: "Task",
    tokens: Tokens,
    train: np.ndarray,
    validation: np.ndarray,
    *,
    max_epochs: int,
    patience: int,
    lr: float,
    weight_decay: float = 0.01,
    warmup: int = 20,
    max_tokens: int | None = None,
    folder: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    decay: bool = False,
    strata: np.ndarray | None = None,
    max_cells: int | None = None,
) -> pd.DataFrame:
    """Train, and leave the weights that validate best in the network and the task, frozen and in evaluation mode.

    Parameters
    ----------
    model, task
        What is trained, in place; parameters that are frozen stay so. Adapters are merged into the weights at the end.
    tokens
        Of all cells.
    train, validation
        Positions of cells, int64.
    max_epochs, patience, lr, weight_decay, warmup
        As in :meth:`FineTuner.train`.
    max_tokens
        Of a batch; None takes 2¹³ on a CPU and 2¹⁶ on a GPU.
    folder
        Where the state is kept at the end of each epoch; None keeps none behind.
    resume
        Go on from the state in ``folder``.
    seed
        Of batches, masks and dropout.
    decay
        Whether the learning rate falls in a straight line over ``max_epochs``.
    strata, max_cells
        Code of each cell, and the cells of a batch, which then holds every code in proportion; None makes batches of cells of like length.

    Returns
    -------
    pandas.DataFrame
        ``loss`` and ``validation``, a row an epoch.
    """
    parts = nn.ModuleDict({"network": model.network, "task": task})

    def loss(cells: np.ndarray, draws: np.random.Generator) -> Any:
        if parts.training:
            for part in model.network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()  # a cell's vector depends on that cell alone, in training too
        return task.loss(model, tokens.select(cells), cells, draws)

    budget = max_tokens or (2**13 if model.device.type == "cpu" else 2**16)
    lengths = model.lengths(tokens)
    epoch = max(1, int(lengths[train].sum() // budget) if max_cells is None else round(len(train) / max_cells))
    module = Module(
        parts,
        loss,
        train=train,
        validation=validation,
        lengths=lengths,
        max_tokens=budget,
        max_cells=max_cells,
        lr=lr,
        weight_decay=weight_decay,
        warmup=warmup,
        seed=seed,
        decay_steps=max_epochs * epoch if decay else None,
        strata=strata,
    )
    half = {"torch.bfloat16": "bf16-mixed", "torch.float16": "16-mixed"}.get(str(model.dtype), "32-true")
    with tempfile.TemporaryDirectory() as temporary:
        history = run(
            module,
            folder or Path(temporary),
            max_epochs=max_epochs,
            patience=patience,
            device=model.device,
            precision=half,
            resume=resume,
        )
    merge_lora(model.network)
    model.network.to(model.device).eval().requires_grad_(False)
    task.eval().requires_grad_(False)
    return history
