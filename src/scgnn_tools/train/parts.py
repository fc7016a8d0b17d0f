"""A batch that several processes share: what each has of it, and what they add up to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Part:
    """What one of several processes has of a batch.

    Gradients are averaged over processes, so what each has counts ``ranks`` times.

    Attributes
    ----------
    batch
        All cells of the batch, int64 (n,).
    rank, ranks
        Which process it is, and how many there are: it has every ``ranks``-th cell.
    """

    batch: np.ndarray
    rank: int = 0
    ranks: int = 1

    @property
    def at(self) -> np.ndarray:
        """Positions in the batch of its own cells."""
        return np.arange(self.rank, len(self.batch), self.ranks)

    @property
    def cells(self) -> np.ndarray:
        """Its own cells."""
        return self.batch[self.at]

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells that it computes, and their positions in the batch: its own, or the first one if it has none."""
        at = self.at if len(self.at) else np.arange(1)
        return self.batch[at], at

    def weight(self, mass: Callable[[np.ndarray], float]) -> float:
        """Return the weight of the mean loss of its cells."""
        return mass(self.cells) * self.ranks / mass(self.batch) if len(self.at) else 0.0

    def gather(self, own: Tensor) -> Tensor:
        """Return what all processes have of their cells, in the order of the batch; the gradient of one's own goes back."""
        if self.ranks == 1:
            return own
        out: Tensor = _Gather.apply(own, self)  # type: ignore[no-untyped-call]
        return out


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, own: Tensor, part: Part) -> Tensor:
        """Return the rows of all."""
        context.part = part
        n, width = len(part.batch), own.shape[1:]
        padded = own.new_zeros((-(-n // part.ranks), *width))
        padded[: len(own)] = own
        found = [torch.empty_like(padded) for _ in range(part.ranks)]
        torch.distributed.all_gather(found, padded)
        out = own.new_empty((n, *width))
        for rank, rows in enumerate(found):
            at = slice(rank, None, part.ranks)
            out[at] = rows[: len(out[at])]
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of one's own rows, which the mean over the processes divides by their number."""
        part: Part = context.part
        return gradients[0][part.rank :: part.ranks] * part.ranks, None
