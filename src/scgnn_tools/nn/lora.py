"""Low-rank adapters beside frozen linear layers.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

TARGETS = {"qkv": 3, "out": 1, "up": 1, "down": 1}
"""Linear layers of a block that get adapters, and of how many matrices each is made."""


class LoRALinear(nn.Module):
    """``base(x) + scale · B A x``; ``B`` starts at zero, so that the network starts as it was.

    Parameters
    ----------
    base
        The linear layer; it is frozen.
    rank
        Of the update of each of its matrices.
    alpha
        ``scale`` is ``alpha / rank``.
    parts
        How many matrices of equal height ``base`` is made of (3 for queries, keys and values); each has an update of its own.
    dropout
        On the adapter's input.
    """

    def __init__(self, base: nn.Linear, *, rank: int, alpha: float, parts: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        like: dict[str, Any] = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.scale, self.dropout = alpha / rank, nn.Dropout(dropout)
        self.a = nn.Parameter(torch.empty(parts, rank, base.in_features, **like))
        self.b = nn.Parameter(torch.zeros(parts, base.out_features // parts, rank, **like))
        for part in self.a:
            nn.init.kaiming_uniform_(part, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, out_features)."""
        low = torch.einsum("...i,pri->...pr", self.dropout(x), self.a)
        return self.base(x) + self.scale * torch.einsum("...pr,por->...po", low, self.b).flatten(-2)

    def merged(self) -> nn.Linear:
        """Return the linear layer with the update added to its weights."""
        with torch.no_grad():
            self.base.weight += self.scale * (self.b @ self.a).flatten(0, 1)
        return self.base


def add_lora(blocks: Iterable[nn.Module], *, rank: int = 8, alpha: float = 16.0, dropout: float = 0.0) -> None:
    """Put adapters beside the linear layers of transformer or Performer blocks, in place."""
    for block in blocks:
        for name, parts in TARGETS.items():
            base = getattr(block, name)
            if isinstance(base, nn.Linear):
                setattr(block, name, LoRALinear(base, rank=rank, alpha=alpha, parts=parts, dropout=dropout))


def merge_lora(module: nn.Module) -> None:
    """Add the adapters to the weights and take them out, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoRALinear):
                setattr(parent, name, child.merged())
