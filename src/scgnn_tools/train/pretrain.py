"""Pretraining of a network by masking, over a stream of cells, on one or several devices, resumed where it was stopped."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from scgnn_tools._choices import choice, integer, number, share
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import say
from scgnn_tools._progress import counter
from scgnn_tools._write import as_path, write_whole
from scgnn_tools.data import Tokens
from scgnn_tools.fm import masking
from scgnn_tools.train._resume import check_length
from scgnn_tools.train.module import Feed, Module
from scgnn_tools.train.plans import claim, leave, model_parts, start_of
from scgnn_tools.train.processes import is_first, several
from scgnn_tools.train.trainer import LAST as STATE
from scgnn_tools.train.trainer import Keep, precision_of, read_state, run

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel
    from scgnn_tools.train.corpus import Corpus

HISTORY = "history.csv"
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true", "bf16-true", "16-true")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is pretrained; the defaults are those of Cell-Graph Compass.

    Attributes
    ----------
    steps
        Steps of the optimiser.
    batch_size, accumulate
        Cells a batch on each device, and batches a step: a step sees devices × batch_size × accumulate cells.
    lr, warmup, decay, decay_every
        Of Adam: linear growth over ``warmup`` steps, then times ``decay`` every ``decay_every`` steps.
    share
        Share of a cell's genes that are hidden.
    gene_sampling
        Which genes a cell with too many of them shows: "random", others each time, in proportion to their value, or "top". Cells are
        embedded with the model's own choice, whatever this is.
    """

    steps: int = 10_000
    batch_size: int = 32
    accumulate: int = 1
    lr: float = 1e-4
    warmup: int = 5000
    decay: float = 0.995
    decay_every: int = 1000
    share: float = 0.4
    gene_sampling: str = "random"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "decay_every"):
            integer(name, getattr(self, name))
        integer("warmup", self.warmup, least=0)
        number("lr", self.lr, above=0)
        number("decay", self.decay, above=0, most=1)
        share("share", self.share)
        choice("gene_sampling", self.gene_sampling, ("random", "top"))

    @classmethod
    def paper(cls, **changes: Any) -> "Schedule":
        """Return the schedule of the paper's text: two batches of 32 a step; its validation set is ``Corpus(validation=0.01)``."""
        return cls(**{"accumulate": 2, **changes})

    def optimizer(self, free: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(free, lr=self.lr, betas=(0.9, 0.999), eps=1e-8)

    def factor(self, step: int) -> float:
        """Return what the learning rate is multiplied by at a step."""
        return min(1.0, (step + 1) / (self.warmup + 1)) * self.decay ** (step // self.decay_every)


def schedule_for(corpus: "Corpus", epochs: int, devices: int, given: dict[str, Any]) -> Schedule:
    """Return a schedule of so many epochs, or of the steps that are given."""
    integer("epochs", epochs)
    integer("devices", devices)
    unknown = sorted(set(given) - {f.name for f in fields(Schedule)})
    if unknown:
        msg = f"There is no {unknown[0]!r}; a schedule has {', '.join(f.name for f in fields(Schedule))}."
        raise InputValueError(msg)
    out = Schedule(**given)
    if "steps" in given:
        return out
    per_step = out.accumulate * devices
    return Schedule(**{**given, "steps": max(1, epochs * corpus.n_batches(out.batch_size) // per_step)})


class StreamFeed(Feed):
    """The published pretraining of a model over the endless stream of a corpus.

    Everything random — order, genes, masks, dropout — follows from the seed and the number of the batch, so that a resumed run is the
    run that was not stopped, and two processes see the cells that one sees with twice the accumulation.
    """

    def __init__(self, model: "NetworkModel", corpus: "Corpus", schedule: Schedule, seed: int) -> None:
        self.model, self.corpus, self.schedule, self.seed = model, corpus, schedule, seed
        self.drawing = copy.copy(model)
        if model.gene_sampling is not None:
            self.drawing.gene_sampling = schedule.gene_sampling
        self.done = 0

    def place(self, device: torch.device) -> None:
        """Let the model know the device of this process."""
        self.model.device = device

    def batches(self, epoch: int, rank: int, ranks: int) -> Iterator[tuple[int, Tokens]]:
        """Yield the batches that are not done yet."""
        size = self.schedule.batch_size
        for batch in self.corpus.batches(size, seed=self.seed, start=self.done * ranks, rank=rank, ranks=ranks):
            rng = np.random.default_rng([self.seed, 6, batch.index])
            yield batch.index, _usable(self.drawing.tokenize_rows(batch.rows, self.corpus.kind, rng))

    def validation(self, rank: int, ranks: int) -> Sequence[Any]:
        """Return the cells that are never trained on, tokenised once; every process looks at all of them."""
        rows, size = self.corpus.validation(), self.schedule.batch_size
        out = []
        for i in range(0, rows.shape[0], size):
            rng = np.random.default_rng([self.seed, 5, i])
            out.append((i, _usable(self.model.tokenize_rows(rows[i : i + size], self.corpus.kind, rng))))
        return [(i, t) for i, t in out if t.n_cells]

    def loss(self, batch: Any, place: tuple[int, int] | None) -> tuple[Tensor, int]:
        """Return the loss of a batch; the masks of the cells that are never trained on are the same each time."""
        number, tokens = batch
        self.done += place is not None
        if tokens.n_cells == 0:  # a loss that moves nothing, which every process can still wait for
            free = (p for p in self.model.network.parameters() if p.requires_grad)
            return sum((p.sum() * 0 for p in free), torch.zeros((), device=self.model.device)), 0
        rng = np.random.default_rng([self.seed, 4 if place is None else 3, int(number)])
        torch.default_generator.manual_seed(int(rng.integers(2**62)))
        at = masking.draw(self.model.is_gene(tokens), self.schedule.share, rng)
        return self.model.masked_loss(tokens, at, rng), tokens.n_cells

    def state(self) -> dict[str, Any]:
        """Return how many batches are done."""
        return {"done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on behind them."""
        self.done = int(state["done"])


class _Bar(Callback):
    """The package's own progress bar: one line, with the loss."""

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self._context = counter(module.feed.schedule.steps, what="pretrain", unit="step")
        self._advance = self._context.__enter__()
        self._at = 0

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        self._advance(trainer.global_step - self._at)
        self._at = trainer.global_step

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self._context.__exit__(None, None, None)


def pretrain(
    model: "NetworkModel",
    corpus: "Corpus",
    folder: str | Path,
    *,
    schedule: Schedule | None = None,
    devices: int = 1,
    precision: str | None = None,
    checkpoint_every: int = 500,
    resume: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Pretrain a network by masking, as published for it.

    Parameters
    ----------
    model
        A network that is not trained yet, or one whose training goes on. It is changed in place.
    corpus
        The cells.
    folder
        Where the state (``last.ckpt``), the losses (``history.csv``), the plan and at the end the model (``model/``) are written.
    schedule
        Steps, batches, learning rate.
    devices
        GPUs, or processes on the CPU. Several run as PyTorch's distributed data parallel (gloo on the CPU, NCCL on GPUs).
    precision
        As Lightning takes it: "32-true", "bf16-mixed", …; None takes what the model was loaded with.
    checkpoint_every
        Steps between two states on disk, and between two looks at the validation cells.
    resume
        Go on from ``folder`` if a run with the same plan was stopped there; one with another plan is an error.
    seed
        Of everything random.

    Returns
    -------
    pandas.DataFrame
        A row a look: ``step``, ``loss`` (mean since the last look), ``validation``.
    """
    schedule, folder = schedule or Schedule(), as_path("folder", folder)
    integer("devices", devices)
    integer("checkpoint_every", checkpoint_every)
    choice("precision", precision, (*PRECISIONS, None))
    start = start_of(model.network, folder)
    more: dict[str, Any] = {"devices": devices, "precision": precision, "seed": seed}
    claim(folder, lambda: _plan(model, corpus, schedule, start, **more), resume=resume)
    if resume and (folder / STATE).is_file():
        check_length(folder, int(read_state(folder / STATE)["global_step"]), schedule.steps, "steps")
    network = model.network.train().requires_grad_(True)
    module = Module(
        network, StreamFeed(model, corpus, schedule, seed), optimizer=schedule.optimizer, factor=schedule.factor
    )
    try:
        trainer = _run(module, model, folder, devices, precision, checkpoint_every, resume=resume or not is_first())
    except KeyboardInterrupt:
        if (folder / STATE).is_file():
            module.load_state_dict(read_state(folder / STATE)["state_dict"])
        raise
    finally:
        model.device = torch.device(model.device.type)
        network.to(model.device).eval().requires_grad_(False)
        leave(network, folder, start)
    history = _table(module.history)
    if trainer.is_global_zero:
        model.save(folder / "model", overwrite=True)
        write_whole(folder / HISTORY, lambda part: history.to_csv(part, index=False))
        seen = schedule.steps * schedule.batch_size * schedule.accumulate * trainer.world_size
        say(
            f"pretrain: {schedule.steps:,} steps, {seen:,} cells seen, validation loss {history['validation'].iloc[-1]:.4g}"
        )
    return history


def saved_history(folder: str | Path) -> pd.DataFrame:
    """Return the history of a run that was stopped, as far as its state is on disk."""
    path = as_path("folder", folder) / STATE
    return _table(read_state(path)["figures"]["history"] if path.is_file() else [])


def _table(history: list[dict[str, float]]) -> pd.DataFrame:
    return pd.DataFrame(history, columns=["step", "loss", "validation"]).drop_duplicates("step").reset_index(drop=True)


def _run(
    module: Module,
    model: "NetworkModel",
    folder: Path,
    devices: int,
    precision: str | None,
    every: int,
    *,
    resume: bool,
) -> Any:
    schedule = cast("StreamFeed", module.feed).schedule
    # saved behind the look at the validation cells, so that a resumed run has its figures
    keep = Keep(folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False)
    return run(
        module,
        folder,
        callbacks=[keep, _Bar()],
        device=model.device,
        precision=precision or precision_of(model.dtype),
        resume=resume,
        max_steps=schedule.steps,
        **several(devices),
        accumulate_grad_batches=schedule.accumulate,
        enable_progress_bar=False,
        val_check_interval=min(every, schedule.steps) * schedule.accumulate,
        check_val_every_n_epoch=None,
    )


def _usable(tokens: Tokens) -> Tokens:
    """Return the cells with at least two genes, longest first: like lengths stand together, which attention is quicker on."""
    order = np.argsort(-tokens.lengths, kind="stable")
    return tokens.select(order[tokens.lengths[order] > 2])


def _plan(
    model: "NetworkModel",
    corpus: "Corpus",
    schedule: Schedule,
    start: str,
    *,
    devices: int,
    precision: str | None,
    seed: int,
) -> dict[str, object]:
    """Return all that decides the weights of a run; how long it may take is no part of that."""
    given = {k: v for k, v in asdict(schedule).items() if k != "steps"}
    parts = model_parts(model)
    genes = parts.pop("genes")
    return {
        **parts, "genes (a vocabulary cannot grow in a run)": genes, "starting weights": start, "cells": corpus.digest(),
        "devices": devices,
        "precision": precision or str(model.dtype), "rng": seed, **given,
    }  # fmt: skip
