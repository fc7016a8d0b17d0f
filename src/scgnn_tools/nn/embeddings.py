"""Embeddings of genes and of their values (scGPT, CGC)."""

import torch
from torch import Tensor, nn

LARGEST_VALUE = 512.0
UNTOUCHED, PERTURBED, PADDING = 0, 1, 2
N_SPECIAL = 3
"""Rows of the table of special tokens."""


class GeneEmbedding(nn.Module):
    """A row of a table, then a layer norm."""

    def __init__(self, n_tokens: int, dim: int) -> None:
        super().__init__()
        self.embedding, self.norm = nn.Embedding(n_tokens, dim), nn.LayerNorm(dim)

    def forward(self, ids: Tensor) -> Tensor:
        """Return (n_tokens, dim)."""
        return self.norm(self.embedding(ids))


def special_table(n_special: int, dim: int, start: Tensor | None = None) -> nn.Embedding:
    """Return the table of special tokens, emb_s of Cell-Graph Compass' paper, (n_special, dim): random, or a copy of ``start``."""
    table = nn.Embedding(n_special, dim, padding_idx=PADDING)
    if start is not None:
        with torch.no_grad():
            table.weight.copy_(start)
    return table


class ValueEmbedding(nn.Module):
    """A small network of the value, of two layers (the codes of scGPT and CGC) or three (the paper of CGC)."""

    def __init__(self, dim: int, *, n_layers: int = 2) -> None:
        super().__init__()
        self.linear1, self.linear2, self.norm = nn.Linear(1, dim), nn.Linear(dim, dim), nn.LayerNorm(dim)
        self.linear3 = nn.Linear(dim, dim) if n_layers == 3 else None

    def forward(self, values: Tensor) -> Tensor:
        """Return (n_tokens, dim); bins repeat, so each distinct value is computed once."""
        distinct, which = torch.unique(values, return_inverse=True)
        x = distinct.clamp(max=LARGEST_VALUE).unsqueeze(-1)
        x = self.linear2(torch.relu(self.linear1(x)))
        if self.linear3 is not None:
            x = self.linear3(torch.relu(x))
        return self.norm(x).index_select(0, which)
