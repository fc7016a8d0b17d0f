"""Cells of different length, packed one after the other: where each lies, and what is computed cell by cell."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


class Segments:
    """Where each cell's tokens lie in a packed tensor of shape (n_tokens, …).

    Parameters
    ----------
    offsets
        Where each cell begins, int64 (n_cells + 1,).
    device
        Device of the tensors that are packed so.
    """

    def __init__(self, offsets: np.ndarray, device: torch.device | str = "cpu") -> None:
        self.offsets = np.asarray(offsets, dtype=np.int64)
        self.lengths = np.diff(self.offsets)
        self.device = torch.device(device)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest cell."""
        return int(self.lengths.max(initial=0))

    @cached_property
    def cumulative(self) -> Tensor:
        """``offsets`` on the device, int32: what variable-length kernels take."""
        return torch.as_tensor(self.offsets, dtype=torch.int32, device=self.device)

    @cached_property
    def cell(self) -> Tensor:
        """Cell of each token, int64 (n_tokens,)."""
        lengths = torch.as_tensor(self.lengths, device=self.device)
        return torch.repeat_interleave(torch.arange(self.n_cells, device=self.device), lengths)

    @cached_property
    def rank(self) -> Tensor:
        """Position of each token within its cell, int64 (n_tokens,)."""
        begin = torch.as_tensor(self.offsets[:-1], device=self.device)
        return torch.arange(int(self.offsets[-1]), device=self.device) - begin[self.cell]

    @cached_property
    def slots(self) -> Tensor:
        """Position of each token in the padded layout (n_cells × longest), int64 (n_tokens,)."""
        return self.cell * self.longest + self.rank

    def runs(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield (first token, end, number of cells, length) of neighbouring cells of one length."""
        starts = np.flatnonzero(np.diff(self.lengths, prepend=-1))
        for first, end in zip(starts, [*starts[1:], self.n_cells], strict=True):
            yield int(self.offsets[first]), int(self.offsets[end]), int(end - first), int(self.lengths[first])

    def pad(self, x: Tensor) -> Tensor:
        """Return (n_cells, longest, …) with zeros behind the shorter cells."""
        out = x.new_zeros((self.n_cells * self.longest, *x.shape[1:]))
        out[self.slots] = x
        return out.view(self.n_cells, self.longest, *x.shape[1:])

    def unpad(self, x: Tensor) -> Tensor:
        """Undo :meth:`pad`."""
        return x.flatten(0, 1)[self.slots]

    def first(self, x: Tensor, at: int = 0) -> Tensor:
        """Return the token at position ``at`` of each cell; negative counts from its end, (n_cells, …)."""
        edge = self.offsets[:-1] + at if at >= 0 else self.offsets[1:] + at
        return x.index_select(0, torch.as_tensor(edge, device=x.device))

    def mean(self, x: Tensor, *, skip: tuple[int, int] = (0, 0)) -> Tensor:
        """Return the mean over each cell's tokens, leaving out the first and last ``skip``, (n_cells, d)."""
        return self._reduce(x, skip, "mean")

    def max(self, x: Tensor, *, skip: tuple[int, int] = (0, 0)) -> Tensor:
        """Return the maximum over each cell's tokens, leaving out the first and last ``skip``, (n_cells, d)."""
        return self._reduce(x, skip, "max")

    def _reduce(self, x: Tensor, skip: tuple[int, int], how: str) -> Tensor:
        # one call a run of equal lengths: no scatter, and the same sum whatever stands beside the cell
        parts = []
        for start, end, cells, length in self.runs():
            block = x[start:end].view(cells, length, *x.shape[1:])[:, skip[0] : length - skip[1]]
            if block.shape[1] == 0:
                parts.append(x.new_zeros((cells, *x.shape[1:])))
            else:
                parts.append(block.mean(dim=1) if how == "mean" else block.amax(dim=1))
        return torch.cat(parts)
