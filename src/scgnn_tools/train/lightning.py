"""The one Lightning module and its runner: batches by length, best weights kept, resumed where it was stopped."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader

from scgnn_tools._settings import settings
from scgnn_tools.data import length_batches

Loss = Callable[[np.ndarray, np.random.Generator], Tensor]
WINDOW = 64
"""Batches whose cells are sorted by length together: like lengths share a batch, and batches stay random."""


class Module(lightning.LightningModule):
    """Trains ``parts`` on ``loss`` over batches of cells.

    Parameters
    ----------
    parts
        What is trained and saved; parameters that are frozen stay so.
    loss
        Loss of a batch, given the positions of its cells and a generator of random numbers.
    train, validation
        Positions of cells, int64.
    lengths
        Tokens of each cell, by which batches are made.
    max_tokens, max_cells
        Of a batch.
    lr, weight_decay, warmup
        Of AdamW; ``warmup`` steps of linear growth.
    seed
        Of batches, masks and dropout; each epoch has its own, so that a resumed run goes on as if it had not been stopped.
    decay_steps
        Steps over which the learning rate falls to a twentieth, in a straight line; None leaves it as it is.
    strata
        Code of each cell, int (n_obs,): every training batch, of ``max_cells`` cells, holds every code in proportion. None makes batches of
        cells of like length.
    """

    def __init__(
        self,
        parts: nn.Module,
        loss: Loss,
        *,
        train: np.ndarray,
        validation: np.ndarray,
        lengths: np.ndarray,
        max_tokens: int,
        max_cells: int | None,
        lr: float,
        weight_decay: float,
        warmup: int,
        seed: int,
        decay_steps: int | None = None,
        strata: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.strata = strata
        self.decay_steps = decay_steps
        self.parts, self.batch_loss = parts, loss
        self.cells = {"train": train, "validation": validation}
        self.lengths, self.max_tokens, self.max_cells = lengths, max_tokens, max_cells
        self.lr, self.weight_decay, self.warmup, self.seed = lr, weight_decay, warmup, seed
        self.history: list[dict[str, float]] = []

    def train_dataloader(self) -> DataLoader:
        """Return this epoch's batches, in random order."""
        rng = np.random.default_rng([self.seed, 0, self.current_epoch])
        cells = self.cells["train"]
        if self.strata is None:
            batches = random_batches(cells, self.lengths, rng, self.max_tokens, self.max_cells)
        else:
            batches = stratified_batches(cells, self.strata, rng, self.max_cells or 32)
        return DataLoader(batches, batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches, the same each time."""
        cells = self.cells["validation"]
        batches = length_batches(self.lengths[cells], max_tokens=self.max_tokens, max_cells=self.max_cells)
        return DataLoader([cells[b] for b in batches], batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def on_train_epoch_start(self) -> None:
        """Give dropout the seed of the epoch."""
        value = self.seed + 7919 * self.current_epoch
        torch.default_generator.manual_seed(value)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(value)

    def training_step(self, cells: Tensor, index: int) -> Tensor:
        """Return the loss of a batch."""
        rng = np.random.default_rng([self.seed, 1, self.current_epoch, index])
        value = self.batch_loss(np.asarray(cells), rng)
        self.log("loss", value, on_step=False, on_epoch=True, batch_size=len(cells))
        return value

    def validation_step(self, cells: Tensor, index: int) -> None:
        """Log the loss on the validation cells; its masks are the same each time."""
        value = self.batch_loss(np.asarray(cells), np.random.default_rng([self.seed, 2, index]))
        self.log("validation", value, batch_size=len(cells), prog_bar=True)

    def on_train_epoch_end(self) -> None:
        """Keep the figures of the epoch."""
        seen = self.trainer.callback_metrics
        self.history.append({k: float(seen[k]) for k in ("loss", "validation") if k in seen})

    def configure_optimizers(self) -> Any:
        """Return AdamW over what is not frozen, with warm-up."""
        free = [p for p in self.parts.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(free, lr=self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _factor(self, step: int) -> float:
        left = 1.0 if self.decay_steps is None else max(0.05, 1 - step / self.decay_steps)
        return min(left, (step + 1) / (self.warmup + 1))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history too."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history."""
        self.history = checkpoint["history"]


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


def run(
    module: Module, folder: Path, *, max_epochs: int, patience: int, device: torch.device, precision: str, resume: bool
) -> pd.DataFrame:
    """Train, put the best weights back into ``module.parts``, and return the history, a row an epoch.

    ``folder/last.ckpt`` is written at the end of each epoch; with ``resume`` a run goes on from it.
    """
    best = ModelCheckpoint(folder, filename="best", monitor="validation", save_last=True, enable_version_counter=False)
    last = folder / "last.ckpt"
    with quiet(), torch.random.fork_rng():
        trainer = lightning.Trainer(
            max_epochs=max_epochs,
            accelerator="gpu" if device.type == "cuda" else device.type,
            devices=[device.index or 0] if device.type == "cuda" else 1,
            precision=precision,  # type: ignore[arg-type]
            callbacks=[best, EarlyStopping("validation", patience=patience)],
            logger=False,
            enable_progress_bar=settings.progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            gradient_clip_val=1.0,
            reload_dataloaders_every_n_epochs=1,
        )
        again = str(last) if resume and last.is_file() else None
        trainer.fit(module, ckpt_path=again, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    saved = torch.load(best.best_model_path, map_location="cpu", weights_only=True)  # noqa: TID251 - Lightning's own file
    state = saved["state_dict"]
    module.load_state_dict(state)
    module.to(device)
    return pd.DataFrame(module.history).rename_axis("epoch")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning from talking about things that are decided here."""
    logs = [
        logging.getLogger(n)
        for n in (
            "lightning.pytorch",
            "lightning.pytorch.utilities.rank_zero",
            "lightning.fabric.utilities.rank_zero",
            "lightning.fabric.utilities.distributed",
        )
    ]
    levels = [log.level for log in logs]
    with warnings.catch_warnings():
        for words in (
            ".*num_workers.*",
            ".*exists and is not empty.*",
            ".*lr_scheduler.step.*",
            ".*does not have many workers.*",
        ):
            warnings.filterwarnings("ignore", words)
        warnings.filterwarnings("ignore", module="lightning")
        for log in logs:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(logs, levels, strict=True):
                log.setLevel(level)
