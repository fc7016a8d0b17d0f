"""Training on all data at once, with early stopping: what a graph network on cached vectors needs."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools._settings import settings
from scgnn_tools._threads import check_fork
from scgnn_tools.store import RunFolder
from scgnn_tools.train import _resume
from scgnn_tools.train.together import ALONE, Together

EVERY = 20
"""Epochs between two writes of the state."""

AGAIN = "Pass another folder=, or resume=False to begin anew."
"""What to type where a folder is of another training."""


@dataclass
class State:
    """Where training is: all that a resumed run needs."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, torch.Tensor] | None = None
    best_score: float = float("inf")
    since: int = 0
    rows: list[tuple[float, float]] = field(default_factory=list)


def fit_full_batch(
    build: Callable[[], nn.Module],
    loss: Callable[[nn.Module], torch.Tensor | Iterable[torch.Tensor]],
    validate: Callable[[nn.Module], float],
    *,
    max_epochs: int = 300,
    patience: int | None = 30,
    lr: float = 1e-2,
    weight_decay: float = 0.0,
    start_counts: bool = False,
    optimizer: str = "Adam",
    decay: float = 1.0,
    rng: RNG = 0,
    what: str = "train",
    checkpoint: Path | None = None,
    plan: Mapping[str, object] | None = None,
    groups: Callable[[nn.Module], list[dict[str, Any]]] | None = None,
    together: Together = ALONE,
) -> tuple[nn.Module, pd.DataFrame]:
    """Train a module on the whole training set each epoch; keep the weights that validate best.

    Ctrl-C stops the training and keeps the best weights so far; it is raised again only if there are none yet.

    Parameters
    ----------
    build
        Makes the module; called under the seed, so that its first weights follow ``rng``.
    loss
        Loss on the training set, given the module in training mode; or an iterable of losses, each of which is one step.
    validate
        Score on the validation set, lower is better, given the module in evaluation mode without gradients.
    max_epochs, patience
        Most epochs, and how many may pass without a better score; patience None trains all epochs and keeps the last weights.
    start_counts
        Whether the weights before the first epoch may turn out the best: for a module that was trained before.
    lr, weight_decay, optimizer
        Of the optimizer, by its name in ``torch.optim``.
    decay
        The learning rate is multiplied by it after each step.
    rng
        Seed; no global random state is left changed.
    what
        Name on the progress bar.
    checkpoint
        File with the state of training, written every 20 epochs and at the end; a run goes on from it and ends as one
        that was not stopped. None keeps none.
    plan
        All that decides the result, part by part, as for :class:`~scgnn_tools.store.RunFolder`, which the file's folder becomes.
    groups
        Groups of parameters with settings of their own, as Adam takes them, given the module; None trains all alike.
    together
        The processes that train the module, each on losses of its own, whose mean is the loss; the first one writes the state.

    Returns
    -------
    module, history
        The module in evaluation mode with its best weights; a DataFrame with ``loss`` and ``validation`` an epoch, whose
        ``attrs["interrupted"]`` tells of Ctrl-C.

    Raises
    ------
    InputValueError
        If the folder of ``checkpoint`` is of another run, whose parts that differ are named, or has more epochs than ``max_epochs``.
    WeightsError
        If ``checkpoint`` is damaged.
    """
    interrupted = False
    run = "" if checkpoint is None else RunFolder(checkpoint.parent, plan or {}, hint=AGAIN).digest
    writes = checkpoint if together.rank == 0 else None
    with seeded(seed(rng)):
        module = build()
        parameters = module.parameters() if groups is None else groups(module)
        now = State(module, getattr(torch.optim, optimizer)(parameters, lr=lr, weight_decay=weight_decay))
        if checkpoint is not None and checkpoint.is_file():
            _resume.read(checkpoint, now, run)
            _resume.check_length(checkpoint.parent, len(now.rows), max_epochs, "epochs")
        elif start_counts:
            now.best, now.best_score = deepcopy(module.state_dict()), _score(module, validate)
        saved = len(now.rows)
        together.begin(module)
        try:
            for _ in progress(range(saved, max_epochs), total=max_epochs - saved, what=what, unit="epoch"):
                if patience is not None and now.since >= patience:
                    break
                _epoch(now, loss, validate, decay=decay, keep_last=patience is None, together=together)
                if writes is not None and len(now.rows) % EVERY == 0:
                    _resume.write(writes, now, run)
                    saved = len(now.rows)
        except KeyboardInterrupt:
            interrupted = True
            if now.best is None:
                raise
        if writes is not None and not interrupted and len(now.rows) > saved:
            _resume.write(writes, now, run)
    if now.best is not None:
        module.load_state_dict(now.best)
    history = pd.DataFrame(now.rows, columns=["loss", "validation"])
    history.attrs["interrupted"] = interrupted
    return module.eval(), history


def _epoch(
    now: State,
    loss: Callable[[nn.Module], torch.Tensor | Iterable[torch.Tensor]],
    validate: Callable[[nn.Module], float],
    *,
    decay: float,
    keep_last: bool,
    together: Together,
) -> None:
    now.module.train()
    losses, total, steps = loss(now.module), 0.0, 0
    for value in [losses] if isinstance(losses, torch.Tensor) else losses:
        now.optimizer.zero_grad()
        value.backward()
        together.average(now.module.parameters())
        now.optimizer.step()
        for group in now.optimizer.param_groups:  # the state that a resumed run reads holds the rates
            group["lr"] *= decay
        total, steps = total + float(value.detach()), steps + 1
    score = together.first(_score(now.module, validate))
    now.rows.append((together.mean(total / max(steps, 1)), score))
    if keep_last or score < now.best_score:
        now.best, now.best_score, now.since = deepcopy(now.module.state_dict()), score, 0
    else:
        now.since += 1


def _score(module: nn.Module, validate: Callable[[nn.Module], float]) -> float:
    module.eval()
    with torch.no_grad():
        return validate(module)


def epoch_rng(together: Together = ALONE) -> np.random.Generator:
    """Return a generator of random numbers for an epoch that follows the state of training, also of a resumed one, in all processes."""
    return np.random.default_rng(int(together.first(int(torch.randint(2**31, (1,))))))


@contextmanager
def seeded(value: int) -> Iterator[None]:
    """Seed PyTorch for a while, deterministic if the settings ask for it, then put everything back; one thread at a time."""
    if torch.get_num_threads() > 1:
        check_fork()
    with torch_random(value):
        deterministic = torch.are_deterministic_algorithms_enabled()
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        torch.use_deterministic_algorithms(settings.deterministic, warn_only=True)
        try:
            with warnings.catch_warnings():  # on a GPU some sums have no fixed order, which the docs say once
                warnings.filterwarnings("ignore", ".*deterministic")
                yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
