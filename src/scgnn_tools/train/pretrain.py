"""Pretraining of a network by masking, over a stream of cells, on one or several devices, resumed where it was stopped."""

import copy
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import say
from scgnn_tools._progress import counter
from scgnn_tools._write import write_whole
from scgnn_tools.data import Tokens
from scgnn_tools.fm import masking
from scgnn_tools.train.lightning import quiet

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel
    from scgnn_tools.train.corpus import Corpus

PLAN, STATE, HISTORY = "plan.json", "last.ckpt", "history.csv"


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
            if int(getattr(self, name)) < 1:
                msg = f"{name} is at least 1; got {getattr(self, name)!r}."
                raise InputValueError(msg)
        if not 0 < self.share < 1:
            msg = f"share lies between 0 and 1; got {self.share!r}."
            raise InputValueError(msg)
        choice("gene_sampling", self.gene_sampling, ("random", "top"))

    def factor(self, step: int) -> float:
        """Return what the learning rate is multiplied by at a step."""
        return min(1.0, (step + 1) / (self.warmup + 1)) * self.decay ** (step // self.decay_every)


def schedule_for(corpus: "Corpus", epochs: int, devices: int, given: dict[str, Any]) -> Schedule:
    """Return a schedule of so many epochs, or of the steps that are given."""
    unknown = sorted(set(given) - {f.name for f in fields(Schedule)})
    if unknown:
        msg = f"There is no {unknown[0]!r}; a schedule has {', '.join(f.name for f in fields(Schedule))}."
        raise InputValueError(msg)
    out = Schedule(**given)
    if "steps" in given:
        return out
    per_step = out.accumulate * devices
    return Schedule(**{**given, "steps": max(1, epochs * corpus.n_batches(out.batch_size) // per_step)})


class Pretraining(lightning.LightningModule):
    """The published pretraining of a model as a Lightning module.

    Everything random — order, genes, masks, dropout — follows from the seed and the number of the batch, so that a resumed run is the
    run that was not stopped, and two processes see the cells that one sees with twice the accumulation.
    """

    def __init__(self, model: "NetworkModel", corpus: "Corpus", schedule: Schedule, seed: int) -> None:
        super().__init__()
        self.network = model.network
        self.model, self.corpus, self.schedule, self.seed = model, corpus, schedule, seed
        self.history: list[dict[str, float]] = []
        self.drawing = copy.copy(model)
        if hasattr(model, "gene_sampling"):
            self.drawing.gene_sampling = schedule.gene_sampling  # type: ignore[attr-defined]
        self.done = 0
        self._recent: list[float] = []

    def train_dataloader(self) -> DataLoader:
        """Return the batches that are not done yet."""
        stream = _Stream(self, self.done * self.trainer.world_size, self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(stream, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Return the cells that are never trained on, tokenised once."""
        rows, size = self.corpus.validation(), self.schedule.batch_size
        tokens = [
            _usable(
                self.model.tokenize_rows(rows[i : i + size], self.corpus.kind, np.random.default_rng([self.seed, 5, i]))
            )
            for i in range(0, rows.shape[0], size)
        ]
        return DataLoader([(i, t) for i, t in enumerate(tokens) if t.n_cells], batch_size=None)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: tuple[int, Tokens], device: torch.device, dataloader_idx: int) -> Any:
        """Leave tokens where they are: the model moves what it needs."""
        return batch

    def on_fit_start(self) -> None:
        """Let the model know its device."""
        self.model.device = self.device

    def training_step(self, batch: tuple[int, Tokens], index: int) -> Tensor:
        """Return the loss of a batch."""
        number, tokens = batch
        self.done += 1
        loss = self._loss(tokens, [self.seed, 3, number])
        self._recent.append(float(loss.detach()))
        return loss

    def validation_step(self, batch: tuple[int, Tokens], index: int) -> None:
        """Log the loss of the cells that are never trained on; their masks are the same each time."""
        number, tokens = batch
        self.log("validation", self._loss(tokens, [self.seed, 4, number]), batch_size=tokens.n_cells)

    def on_validation_epoch_end(self) -> None:
        """Keep the figures."""
        seen = self.trainer.callback_metrics
        mean = torch.tensor(np.mean(self._recent) if self._recent else np.nan)
        row = {"step": self.global_step, "loss": float(self.trainer.strategy.reduce(mean))}
        self.history.append({**row, "validation": float(seen.get("validation", float("nan")))})
        self._recent = []

    def _loss(self, tokens: Tokens, seeds: list[int]) -> Tensor:
        if tokens.n_cells == 0:  # a loss that moves nothing, which every process can still wait for
            return sum((p.sum() * 0 for p in self.network.parameters() if p.requires_grad), torch.zeros(()))
        rng = np.random.default_rng(seeds)
        torch.default_generator.manual_seed(int(rng.integers(2**62)))
        at = masking.draw(self.model.is_gene(tokens), self.schedule.share, rng)
        return self.model.masked_loss(tokens, at, rng)

    def configure_optimizers(self) -> Any:
        """Return Adam with the schedule."""
        free = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(free, lr=self.schedule.lr, betas=(0.9, 0.999), eps=1e-8)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule.factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save how far the stream was read, and the history."""
        checkpoint["stream"] = {"done": self.done, "history": self.history, "recent": self._recent}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on behind the last batch."""
        there = checkpoint["stream"]
        self.done, self.history, self._recent = there["done"], list(there["history"]), list(there["recent"])


class _Stream(IterableDataset):
    def __init__(self, module: Pretraining, start: int, rank: int, ranks: int) -> None:
        self.module, self.start, self.rank, self.ranks = module, start, rank, ranks

    def __iter__(self) -> Iterator[tuple[int, Tokens]]:
        m = self.module
        size = m.schedule.batch_size
        for batch in m.corpus.batches(size, seed=m.seed, start=self.start, rank=self.rank, ranks=self.ranks):
            rng = np.random.default_rng([m.seed, 6, batch.index])
            yield batch.index, _usable(m.drawing.tokenize_rows(batch.rows, m.corpus.kind, rng))


class _Bar(Callback):
    """The package's own progress bar: one line, with the loss."""

    def on_train_start(self, trainer: Any, module: Any) -> None:
        self._context = counter(module.schedule.steps, what="pretrain", unit="step")
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
    schedule, folder = schedule or Schedule(), Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    again = _check_plan(folder, _plan(model, corpus, schedule, devices, seed), resume=resume)
    network = model.network.train().requires_grad_(True)
    module = Pretraining(model, corpus, schedule, seed)
    gpu = model.device.type == "cuda"
    half = {"torch.bfloat16": "bf16-mixed", "torch.float16": "16-mixed"}.get(str(model.dtype), "32-true")
    # saved behind the look at the validation cells, so that a resumed run has its figures
    keep = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=False, enable_version_counter=False)
    with quiet(), torch.random.fork_rng():
        trainer = lightning.Trainer(
            max_steps=schedule.steps,
            accelerator="gpu" if gpu else "cpu",
            devices=devices,
            strategy=_strategy(devices),
            precision=precision or half,  # type: ignore[arg-type]
            accumulate_grad_batches=schedule.accumulate,
            gradient_clip_val=1.0,
            callbacks=[keep, _Bar()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            val_check_interval=min(checkpoint_every, schedule.steps) * schedule.accumulate,
            check_val_every_n_epoch=None,
            use_distributed_sampler=False,
        )
        trainer.fit(module, ckpt_path=str(folder / STATE) if again else None, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    model.device = torch.device(model.device.type)
    network.to(model.device).eval().requires_grad_(False)
    history = pd.DataFrame(module.history).drop_duplicates("step").reset_index(drop=True)
    if trainer.is_global_zero:
        model.save(folder / "model", overwrite=True)
        write_whole(folder / HISTORY, lambda part: history.to_csv(part, index=False))
        seen = schedule.steps * schedule.batch_size * schedule.accumulate * trainer.world_size
        say(
            f"pretrain: {schedule.steps:,} steps, {seen:,} cells seen, validation loss {history['validation'].iloc[-1]:.4g} -> {folder}"
        )
    return history


def _usable(tokens: Tokens) -> Tokens:
    """Return the cells with at least two genes, longest first: like lengths stand together, which attention is quicker on."""
    order = np.argsort(-tokens.lengths, kind="stable")
    return tokens.select(order[tokens.lengths[order] > 2])


def _strategy(devices: int) -> str:
    if devices == 1 and int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return "auto"
    # a notebook has no script that could be started a second time
    kind = "ddp_notebook" if hasattr(sys, "ps1") or "ipykernel" in sys.modules else "ddp"
    return f"{kind}_find_unused_parameters_true"


def _plan(model: "NetworkModel", corpus: "Corpus", schedule: Schedule, devices: int, seed: int) -> dict[str, Any]:
    return {
        "model": model.card.name,
        "network": {k: v for k, v in model.config.items() if k != "n_tokens"},
        "genes": len(model.vocabulary),
        "files": [[Path(f.name).name, f.expression.n_obs] for f in corpus.files],
        "schedule": {k: v for k, v in asdict(schedule).items() if k != "steps"},
        "devices": devices,
        "seed": seed,
    }


def _check_plan(folder: Path, plan: dict[str, Any], *, resume: bool) -> bool:
    """Write the plan and tell whether to go on with what is there; refuse to go on with another one."""
    path = folder / PLAN
    again = resume and path.is_file() and (folder / STATE).is_file()
    if again:
        there = json.loads(path.read_text(encoding="utf-8"))
        other = [k for k in plan if there.get(k) != plan[k]]
        if other:
            seen = "; ".join(f"{k}: {there.get(k)} there, {plan[k]} here" for k in other)
            more = (
                " A vocabulary cannot grow in a run: start from its model with sgt.fm.load in a new folder."
                if "genes" in other
                else ""
            )
            msg = f"{folder} holds a run of another configuration ({seen}).{more} Pass another folder, or resume=False to overwrite it."
            raise InputValueError(msg)
    elif int(os.environ.get("LOCAL_RANK", 0)) == 0:
        (folder / STATE).unlink(missing_ok=True)
        write_whole(path, lambda part: part.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8"))
    return again
