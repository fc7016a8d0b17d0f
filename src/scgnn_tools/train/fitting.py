"""Train the head of a task and what is not frozen of a network, on tokens that are there already."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn

from scgnn_tools._progress import shows_bars
from scgnn_tools.data import Tokens, length_batches
from scgnn_tools.nn.lora import merge_lora
from scgnn_tools.train._resume import check_length
from scgnn_tools.train.arguments import given_or_temporary
from scgnn_tools.train.module import Feed, Module
from scgnn_tools.train.parts import Part
from scgnn_tools.train.processes import several
from scgnn_tools.train.signals import handed_back
from scgnn_tools.train.trainer import BEST, LAST, Keep, check_state, precision_of, read_state, run

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel
    from scgnn_tools.train.tasks import Task

WINDOW = 64
"""Batches whose cells are sorted by length together: like lengths share a batch, and batches stay random."""


class CellFeed(Feed):
    """Cells whose tokens are there already, epoch after epoch, in batches of like length.

    Parameters
    ----------
    model, task
        What gives the loss.
    tokens
        Of all cells.
    cells
        Positions of the cells of "train" and "validation", int64.
    max_tokens, max_cells
        Of a batch.
    seed
        Of batches, masks and dropout; each epoch has its own.
    strata
        Code of each cell, int (n_obs,): every training batch, of ``max_cells`` cells, holds every code in proportion. None makes batches of
        cells of like length.
    """

    def __init__(
        self,
        model: "NetworkModel",
        task: "Task",
        tokens: Tokens,
        cells: dict[str, np.ndarray],
        *,
        max_tokens: int,
        max_cells: int | None,
        seed: int,
        strata: np.ndarray | None = None,
    ) -> None:
        self.strata = strata
        self.model, self.task, self.tokens, self.cells, self.seed = model, task, tokens, cells, seed
        self.lengths, self.max_tokens, self.max_cells = model.lengths(tokens), max_tokens, max_cells

    def begin(self, epoch: int) -> None:
        """Give dropout the seed of the epoch."""
        value = self.seed + 7919 * epoch
        torch.default_generator.manual_seed(value)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(value)

    def place(self, device: torch.device) -> None:
        """Let the model know the device of this process, where there are several."""
        if torch.distributed.is_initialized():
            self.model.device = device

    def batches(self, epoch: int, rank: int, ranks: int) -> Sequence[Any]:
        """Return this epoch's batches, in random order. Each of several processes has its part of batches that are as many times larger."""
        rng, most = np.random.default_rng([self.seed, 0, epoch]), self.max_cells and self.max_cells * ranks
        if self.strata is not None:
            whole = stratified_batches(self.cells["train"], self.strata, rng, most or 32 * ranks)
        else:
            whole = random_batches(self.cells["train"], self.lengths, rng, self.max_tokens * ranks, most)
        return whole if ranks == 1 else [Part(batch, rank, ranks) for batch in whole]

    def validation(self, rank: int, ranks: int) -> Sequence[Any]:
        """Return the validation batches with their numbers, or the parts of one of several processes."""
        cells, most = self.cells["validation"], self.max_cells and self.max_cells * ranks
        batches = length_batches(self.lengths[cells], max_tokens=self.max_tokens * ranks, max_cells=most)
        return [(i, cells[b] if ranks == 1 else Part(cells[b], rank, ranks)) for i, b in enumerate(batches)]

    def loss(self, batch: Any, place: tuple[int, int] | None) -> tuple[Tensor, float]:
        """Return the loss of a batch; the masks of the validation cells are the same each time."""
        number, some = (place[1], batch) if place is not None else batch
        draw = [self.seed, 2, int(number)] if place is None else [self.seed, 1, *place]
        rng = np.random.default_rng(draw)
        if self.task.training:
            for part in self.model.network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()  # a cell's vector depends on that cell alone, in training too
        if isinstance(some, Part):
            value = self.task.loss_of_part(self.model, self.tokens.select(some.batch), some, rng)
            return value, len(some.batch) / some.ranks
        cells = np.asarray(some)
        return self.task.loss(self.model, self.tokens.select(cells), cells, rng), len(cells)


def fit_task(
    model: "NetworkModel",
    task: "Task",
    tokens: Tokens,
    train: np.ndarray,
    validation: np.ndarray,
    *,
    max_epochs: int,
    patience: int | None,
    lr: float,
    weight_decay: float = 0.01,
    warmup: int = 20,
    max_tokens: int | None = None,
    max_cells: int | None = None,
    folder: Path | None = None,
    resume: bool = False,
    seed: int = 0,
    decay: bool = False,
    strata: np.ndarray | None = None,
    devices: int = 1,
) -> pd.DataFrame:
    """Train, and leave the weights that validate best in the network and the task, frozen and in evaluation mode.

    Ctrl-C stops the training and keeps the best weights so far; it is raised again only if there are none yet. After that, and after any
    other error, network and task are as they were before.

    Parameters
    ----------
    model, task
        What is trained, in place; parameters that are frozen stay so. Adapters are merged into the weights at the end.
    tokens
        Of all cells.
    train, validation
        Positions of cells, int64.
    max_epochs, patience, lr, weight_decay, warmup
        As in :meth:`FineTuner.train`; ``patience`` None trains all epochs and keeps the last weights.
    max_tokens, max_cells
        Of a batch; ``max_tokens`` None takes 2¹³ on a CPU and 2¹⁶ on a GPU.
    folder
        Where the state is kept at the end of each epoch; None keeps none behind.
    resume
        Go on from the state in ``folder``.
    seed
        Of batches, masks and dropout.
    decay
        Whether the learning rate falls in a straight line over ``max_epochs``.
    strata
        Code of each cell: a batch, of ``max_cells`` cells, then holds every code in proportion. None makes batches of cells of like length.
    devices
        GPUs, or processes on the CPU, of which each has ``max_tokens`` and ``max_cells``.

    Returns
    -------
    pandas.DataFrame
        ``loss`` and ``validation``, a row an epoch; ``attrs["interrupted"]`` tells of Ctrl-C.
    """
    budget = budget_of(model, max_tokens)
    cells = {"train": train, "validation": validation}
    feed = CellFeed(model, task, tokens, cells, max_tokens=budget, max_cells=max_cells, seed=seed, strata=strata)
    of_cells, of_tokens = (max_cells or 32) * devices, budget * devices
    epoch = int(feed.lengths[train].sum() // of_tokens) if strata is None else round(len(train) / of_cells)
    steps = max_epochs * max(1, epoch)
    module = Module(
        nn.ModuleDict({"network": model.network, "task": task}),
        feed,
        optimizer=lambda free: torch.optim.AdamW(free, lr=lr, weight_decay=weight_decay),
        factor=partial(factor, warmup=warmup, steps=steps if decay else None),
    )
    with put_back_after_an_error(model, task), handed_back(), given_or_temporary(folder) as at:
        interrupted = _epochs(module, at, max_epochs=max_epochs, patience=patience, resume=resume, devices=devices)
    _settle(model, task)
    history = pd.DataFrame(module.history, columns=["loss", "validation"]).rename_axis("epoch")
    history.attrs["interrupted"] = interrupted
    return history


def budget_of(model: "NetworkModel", max_tokens: int | None) -> int:
    """Return the most tokens of a batch, by the device where None is given."""
    return max_tokens or (2**13 if model.device.type == "cpu" else 2**16)


@contextmanager
def put_back_after_an_error(model: "NetworkModel", task: "Task") -> Iterator[None]:
    """Give network and task back as they were if something is raised: their weights, modes and place, and what is frozen."""
    parts = nn.ModuleDict({"network": model.network, "task": task})
    kept = {k: v.detach().cpu().clone() for k, v in parts.state_dict(keep_vars=True).items() if not _frozen(v)}
    modes = {part: part.training for part in parts.modules()}
    free = {p: p.requires_grad for p in parts.parameters()}
    device = model.device
    try:
        yield
    except BaseException:
        model.device = device
        parts.to(device).load_state_dict(kept, strict=False)
        for p, wanted in free.items():
            p.grad = None
            p.requires_grad_(wanted)
        for part, mode in modes.items():
            part.training = mode
        raise


def _frozen(value: Tensor) -> bool:
    return isinstance(value, nn.Parameter) and not value.requires_grad


def _settle(model: "NetworkModel", task: "Task") -> None:
    """Merge adapters, and leave network and head frozen, in evaluation mode, on the device of the model."""
    merge_lora(model.network)
    for part in (model.network, task):
        part.to(model.device).eval().requires_grad_(False)


def _epochs(module: Module, folder: Path, *, max_epochs: int, patience: int | None, resume: bool, devices: int) -> bool:
    """Train, put the weights that are kept into the module, and tell whether Ctrl-C ended it."""
    model = module.feed.model  # type: ignore[attr-defined]
    stop: list[Callback] = [] if patience is None else [EarlyStopping("validation", patience=patience)]
    if resume and (folder / LAST).is_file():
        best, rows = read_state(folder / BEST), read_state(folder / LAST)["figures"]["history"]
        check_length(folder, len(rows), max_epochs, "epochs")
        if patience is not None and _has_stopped(rows, patience):
            check_state(folder / LAST, module)
            module.load_state_dict(best["state_dict"])
            module.history = rows
            return False
    interrupted = False
    try:
        run(
            module,
            folder,
            callbacks=[
                *stop,
                Keep(folder, filename="best", monitor="validation", enable_version_counter=False),
                Keep(folder, filename="last", enable_version_counter=False),  # each epoch, behind the best
            ],
            device=model.device,
            precision=precision_of(model.dtype),
            resume=resume,
            max_epochs=max_epochs,
            enable_progress_bar=shows_bars(),
            reload_dataloaders_every_n_epochs=1,
            **several(devices),
        )
    except KeyboardInterrupt:
        interrupted = True
        if not (folder / LAST).is_file():
            raise
    if interrupted or patience is not None:
        kept = folder / (LAST if patience is None else BEST)
        module.load_state_dict(read_state(kept)["state_dict"])
    if interrupted:
        module.history = read_state(folder / LAST)["figures"]["history"]
    return interrupted


def _has_stopped(rows: list[dict[str, float]], patience: int) -> bool:
    """Tell whether a run of these epochs was ended by early stopping, as Lightning decides it."""
    seen = np.array([row["validation"] for row in rows])
    return len(seen) > 0 and (not np.isfinite(seen[-1]) or len(seen) - 1 - int(seen.argmin()) >= patience)


def factor(step: int, *, warmup: int, steps: int | None) -> float:
    """Return what the learning rate is multiplied by: linear growth, then a straight fall to a twentieth over ``steps``, or none."""
    left = 1.0 if steps is None else max(0.05, 1 - step / steps)
    return min(left, (step + 1) / (warmup + 1))


def random_batches(
    cells: np.ndarray, lengths: np.ndarray, rng: np.random.Generator, max_tokens: int, max_cells: int | None
) -> list[np.ndarray]:
    """Return batches of cells of like length in random order; every cell is in one."""
    shuffled, out = rng.permutation(cells), []
    per_batch = max(1, int(max_tokens // max(lengths[cells].mean(), 1))) if max_cells is None else max_cells
    for start in range(0, len(shuffled), WINDOW * per_batch):
        window = shuffled[start : start + WINDOW * per_batch]
        out += [window[b] for b in length_batches(lengths[window], max_tokens=max_tokens, max_cells=max_cells)]
    return [out[i] for i in rng.permutation(len(out))]


def stratified_batches(cells: np.ndarray, strata: np.ndarray, rng: np.random.Generator, size: int) -> list[np.ndarray]:
    """Return batches of about ``size`` cells in random order that each hold every stratum in proportion, its cells in pairs.

    Where batches compare their cells with each other, cells of like length would be cells of like depth, which is like experiment.
    """
    shuffled = rng.permutation(cells)
    at = np.empty(len(cells))
    for code in np.unique(strata[shuffled]):
        own = np.flatnonzero(strata[shuffled] == code)
        pairs = -(-len(own) // 2)
        at[own] = (np.arange(len(own)) // 2 + rng.random()) / pairs
    ordered = shuffled[np.argsort(at, kind="stable")]
    out = np.array_split(ordered, max(1, round(len(cells) / size)))
    return [out[i] for i in rng.permutation(len(out))]
