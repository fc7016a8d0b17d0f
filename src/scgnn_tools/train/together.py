"""Several processes that train one network step by step: gradients are averaged, and what has to be equal is the first one's."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from scgnn_tools._errors import InputValueError
from scgnn_tools.train.processes import in_notebook, launched, quiet


@dataclass(frozen=True)
class Together:
    """One process among ``ranks`` that train together; alone, every method gives back what it is given."""

    rank: int = 0
    ranks: int = 1

    def begin(self, module: nn.Module) -> None:
        """Give all processes the weights of the first one."""
        if self.ranks == 1:
            return
        for value in module.state_dict().values():
            torch.distributed.broadcast(value, 0)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their mean over the processes, which all have the same ones."""
        if self.ranks == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        torch.distributed.all_reduce(flat)
        flat /= self.ranks
        for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def mean(self, value: float) -> float:
        """Return the mean of a number over the processes."""
        if self.ranks == 1:
            return value
        return sum(self._of_all(value)) / self.ranks

    def first(self, value: float) -> float:
        """Return the number of the first process."""
        return value if self.ranks == 1 else self._of_all(value)[0]

    def _of_all(self, value: float) -> list[float]:
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        here = torch.tensor([value], dtype=torch.float64, device=device)
        found = [torch.empty_like(here) for _ in range(self.ranks)]
        torch.distributed.all_gather(found, here)
        return [float(f) for f in found]


ALONE = Together()


def start_together(devices: int, device: torch.device) -> tuple[Together, torch.device]:
    """Start the script once more for every further device and meet there; a process that dies ends the others.

    Parameters
    ----------
    devices
        How many; 1 starts nothing.
    device
        Its kind: GPUs, or processes on the CPU.

    Returns
    -------
    together, device
        What the processes share, and the device of this one.

    Raises
    ------
    InputValueError
        In a notebook, which is no script that could be started again.
    """
    if devices == 1 and not launched():
        return ALONE, device
    if in_notebook():
        msg = f"devices={devices} starts the script once for each device, and a notebook is no script. Write the calls into a file."
        raise InputValueError(msg)
    from lightning.fabric import Fabric

    with quiet():
        fabric: Any = Fabric(accelerator="gpu" if device.type == "cuda" else "cpu", devices=devices, strategy="ddp")
        fabric.launch()
    return Together(fabric.global_rank, fabric.world_size), fabric.device
