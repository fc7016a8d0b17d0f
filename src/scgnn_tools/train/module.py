"""The one Lightning module: a network, what it is fed, and the figures of each look at the validation cells."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset


class Feed(ABC):
    """Batches, their losses, and all that is random about them: from a seed and numbers, so that a resumed run is the undisturbed one."""

    def begin(self, epoch: int) -> None:  # noqa: B027 (a stream has no epochs)
        """Get ready for an epoch."""

    def place(self, device: torch.device) -> None:  # noqa: B027 (one device: it is there already)
        """Let the model know the device of this process."""

    @abstractmethod
    def batches(self, epoch: int, rank: int, ranks: int) -> Iterable[Any]:
        """Return the batches of an epoch for one of several processes, or what is left of an endless stream."""

    @abstractmethod
    def validation(self, rank: int, ranks: int) -> Sequence[Any]:
        """Return the validation batches for one of several processes, the same each time."""

    @abstractmethod
    def loss(self, batch: Any, place: tuple[int, int] | None) -> tuple[Tensor, float]:
        """Return the loss of a batch and its number of cells; ``place`` is (epoch, index) in training and None in validation."""

    def state(self) -> dict[str, Any]:
        """Return how far it is."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027
        """Go on from there."""


class Module(lightning.LightningModule):
    """Trains ``parts`` on what a feed gives.

    Parameters
    ----------
    parts
        What is trained and saved; parameters that are frozen stay so.
    feed
        Batches and losses.
    optimizer
        Makes an optimizer of the parameters that are not frozen.
    factor
        What the learning rate is multiplied by at a step.

    Attributes
    ----------
    history
        A row a look at the validation cells: ``step``, ``loss`` (mean over the cells since the last look), ``validation``.
    """

    def __init__(
        self,
        parts: nn.Module,
        feed: Feed,
        *,
        optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
        factor: Callable[[int], float],
    ) -> None:
        super().__init__()
        self.parts, self.feed, self._optimizer, self._factor = parts, feed, optimizer, factor
        self.history: list[dict[str, float]] = []
        self._recent: list[tuple[Tensor | float, float]] = []

    def train_dataloader(self) -> DataLoader:
        """Return the batches of this epoch and process."""
        trainer = self.trainer
        found = self.feed.batches(self.current_epoch, trainer.global_rank, trainer.world_size)
        return DataLoader(found if isinstance(found, list) else _Stream(found), batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader:
        """Return the validation batches."""
        found = self.feed.validation(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(found, batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave batches where they are: the model moves what it needs."""
        return batch

    def on_fit_start(self) -> None:
        """Let the model know its device."""
        self.feed.place(self.device)

    def on_train_epoch_start(self) -> None:
        """Let the feed get ready."""
        self.feed.begin(self.current_epoch)

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Return the loss of a batch."""
        value, n = self.feed.loss(batch, (self.current_epoch, index))
        self._recent.append((value.detach(), n))  # a number later: to ask for it here would wait for the device
        return value

    def validation_step(self, batch: Any, index: int) -> None:
        """Log the loss on validation cells."""
        value, n = self.feed.loss(batch, None)
        self.log("validation", value, batch_size=n, prog_bar=True, sync_dist=self.trainer.world_size > 1)  # type: ignore[arg-type]

    def on_validation_epoch_end(self) -> None:
        """Keep the figures."""
        losses, cells = np.array(self._figures(), dtype=np.float64).reshape(-1, 2).T
        sums = torch.tensor([(losses * cells).sum(), cells.sum()], dtype=torch.float32, device=self.device)
        total, n = self.trainer.strategy.reduce(sums).tolist()  # type: ignore[union-attr]
        validation = float(self.trainer.callback_metrics.get("validation", np.nan))
        self.history.append({"step": self.global_step, "loss": total / n if n else np.nan, "validation": validation})
        self._recent = []

    def configure_optimizers(self) -> Any:
        """Return the optimizer over what is not frozen, with its schedule."""
        optimizer = self._optimizer([p for p in self.parts.parameters() if p.requires_grad])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history, and how far the feed is."""
        checkpoint["figures"] = {"history": self.history, "recent": self._figures(), "feed": self.feed.state()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with them."""
        there = checkpoint["figures"]
        self.history, self._recent = list(there["history"]), [tuple(seen) for seen in there["recent"]]
        self.feed.restore(there["feed"])

    def _figures(self) -> list[list[float]]:
        """Return loss and number of cells of each batch since the last look."""
        return [[float(value), n] for value, n in self._recent]


class _Stream(IterableDataset):
    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches

    def __iter__(self) -> Any:
        return iter(self._batches)
