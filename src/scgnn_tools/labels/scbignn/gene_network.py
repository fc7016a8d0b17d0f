"""The gene-level network q: attention among the genes that a cell expresses."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools.labels.scbignn.config import Config
from scgnn_tools.nn import MLP, Segments, attention


class PackedGenes(NamedTuple):
    """Expressed genes of cells, packed: column of each gene (n_tokens,), value (n_tokens,), where each cell lies."""

    ids: Tensor
    values: Tensor
    segments: Segments


def tokens(x: sp.csr_array, device: torch.device) -> PackedGenes:
    """Return the entries of a matrix (n_cells, n_genes) that holds no explicit zeros as tokens."""
    return PackedGenes(
        torch.as_tensor(x.indices.astype(np.int64), device=device),
        torch.as_tensor(x.data, dtype=torch.float32, device=device),
        Segments(x.indptr, device),
    )


class GeneAttention(nn.Module):
    r"""Attention among the genes of a cell, one projection for query, key and value.

    .. math:: P = F W, \quad R = \mathrm{softmax}(P P^\top), \quad F' = \mathrm{MLP}(R P)

    without :math:`1/\sqrt d`; the outputs of several heads are laid side by side before the MLP.

    Shapes
    ------
    (n_tokens, in_features) -> (n_tokens, width)
    """

    def __init__(self, in_features: int, width: int, n_heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(in_features, n_heads * width, bias=False)
        self.mlp = MLP(n_heads * width, width, width, dropout=0.0)
        self.n_heads, self.width = n_heads, width

    def heads(self, f: Tensor) -> Tensor:
        """Return P of each head, (n_tokens, n_heads, width)."""
        return self.project(f).unflatten(1, (self.n_heads, self.width))

    def forward(self, f: Tensor, segments: Segments) -> Tensor:
        """Return F'."""
        p = self.heads(f)
        # the kernels divide by the root of the width, the paper does not; a batch of training mixes cells of any length
        how = "padded" if self.training else None
        mixed = attention(p * self.width**0.5, p, p, segments, backend=how) if len(p) else p
        return self.mlp(mixed.flatten(1))


class GeneNetwork(nn.Module):
    """q(label | genes of the cell): gene embedding plus a function of the value, attention, read-out, classifier.

    Parameters
    ----------
    n_genes, n_classes
        Of the problem.
    width, n_layers, n_heads, readout, dropout
        As in :class:`~scgnn_tools.labels.scbignn.config.Config`.
    length
        Mean number of tokens of a cell, by which the weights of the read-out begin as a mean.
    """

    def __init__(
        self,
        n_genes: int,
        n_classes: int,
        *,
        width: int = 32,
        n_layers: int = 1,
        n_heads: int = 1,
        readout: str = "alpha",
        dropout: float = 0.0,
        length: float = 100.0,
    ) -> None:
        super().__init__()
        self.width, self.n_classes = width, n_classes
        self.register_buffer("scale", torch.tensor([0.0, 1.0]))
        self.gene = nn.Embedding(n_genes, width)
        self.value = MLP(1, width, width, dropout=0.0)
        self.layers = nn.ModuleList(GeneAttention(width, width, n_heads) for _ in range(n_layers))
        self.alpha = nn.Embedding(n_genes, 1) if readout == "alpha" else None
        if self.alpha is not None:
            nn.init.constant_(self.alpha.weight, 1 / max(length, 1.0))
        self.dropout = nn.Dropout(dropout)
        self.classify = MLP(width, width, n_classes, dropout=0.0)

    @classmethod
    def of(cls, config: Config, n_genes: int, n_classes: int, length: float = 1.0) -> "GeneNetwork":
        """Return the network of a configuration."""
        return cls(
            n_genes,
            n_classes,
            width=config.width,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            readout=config.readout,
            dropout=config.dropout,
            length=length,
        )

    def standardise(self, value: Tensor) -> "GeneNetwork":
        """Set the mean and the standard deviation of the values of tokens."""
        self.scale = value
        return self

    def genes(self, cells: PackedGenes, n_layers: int | None = None) -> Tensor:
        """Return the state of each token after some layers, all by default, (n_tokens, width)."""
        values = (cells.values - self.scale[0]) / self.scale[1]
        f = self.gene(cells.ids) + self.value(values[:, None])
        for layer in self.layers[:n_layers]:
            f = layer(f, cells.segments)
        return f

    def represent(self, cells: PackedGenes) -> Tensor:
        """Return h, the vector of each cell, (n_cells, width); zero for a cell without tokens."""
        f, segments = self.genes(cells), cells.segments
        weighted = f if self.alpha is None else f * self.alpha(cells.ids)
        lengths = torch.as_tensor(segments.lengths, device=f.device)[:, None]
        if self.training:  # one sum over all cells instead of one for each length
            total = segments.pad(weighted).sum(dim=1)
            return total if self.alpha is not None else total / lengths.clamp(min=1)
        mean = segments.mean(weighted)
        return mean if self.alpha is None else mean * lengths

    def forward(self, cells: PackedGenes) -> tuple[Tensor, Tensor]:
        """Return h and the logits of the classes."""
        h = self.represent(cells)
        return h, self.classify(self.dropout(h))
