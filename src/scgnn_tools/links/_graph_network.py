"""The network of scRegNet and of scTransNet: gene vectors beside a graph network, a perceptron, a head on pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.links._backbones import Backbone, Relational
from scgnn_tools.links._heads import PairHead


@dataclass(frozen=True)
class Shape:
    """Sizes of :class:`LinkNetwork`."""

    backbone: str | None = "gcn"
    hidden: tuple[int, ...] = (64, 64)
    out: tuple[int, ...] = (128, 64)
    head: str = "product"
    dropout: float = 0.2
    heads: int | Sequence[int] = 3
    reduction: Literal["concat", "mean"] = "concat"
    slope: float = 0.2
    always: bool = False
    """Whether dropout of the perceptron is live in scoring too, as in scRegNet's code."""
    channels: Literal["shared", "separate"] = "shared"
    """Whether factors and targets go through one perceptron (scRegNet) or one each (scTransNet)."""


class LinkNetwork(nn.Module):
    """scRegNet (Kommu et al.) and scTransNet (Kommu et al., ICML AI4Science 2024).

    Gene vectors beside what a graph network makes of ``x`` go through a perceptron, shared or one for each role, and a head reads pairs.
    The perceptron has LeakyReLU after every layer and dropout between them. Without a backbone the vectors go into it alone; without
    vectors, what the backbone gives.

    Shapes
    ------
    x (n_genes, d), vectors (n_genes, d_vectors) or None -> each gene as a factor and as a target, (n_genes, out[-1])
    """

    def __init__(self, d: int, d_vectors: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, self.gnn = d_vectors, None
        if shape.backbone is not None:
            self.gnn = self._backbone(d, shape)
            width += self.gnn.out_features
        widths = [width, *shape.out]
        self.layers = _perceptron(widths)
        self.target_layers = _perceptron(widths) if shape.channels == "separate" else None
        self.head = PairHead(shape.head, widths[-1])

    @staticmethod
    def _backbone(d: int, shape: Shape) -> "Backbone | Relational":
        if shape.backbone == "relational":
            heads = shape.heads if isinstance(shape.heads, int) else shape.heads[0]
            return Relational(d, shape.hidden, heads=heads, dropout=shape.dropout)
        how = {"dropout": shape.dropout, "heads": shape.heads, "reduction": shape.reduction, "slope": shape.slope}
        return Backbone(str(shape.backbone), d, shape.hidden, **how)  # type: ignore[arg-type]

    @property
    def input_width(self) -> int | None:
        """Width of ``x``; None without a backbone, which reads none."""
        return None if self.gnn is None else self.gnn.in_features

    @property
    def vector_width(self) -> int:
        """Width of the gene vectors; 0 if there are none."""
        width: int = self.layers[0].in_features  # type: ignore[assignment]
        return width - (0 if self.gnn is None else self.gnn.out_features)

    def encode(self, graph: Any, x: Tensor, vectors: Tensor | None) -> Tensor:
        """Return vectors and neighbourhood side by side, (n_genes, d_vectors + hidden[-1])."""
        parts = [] if vectors is None else [vectors]
        if self.gnn is not None:
            parts.append(self.gnn(graph, x))
        return torch.cat(parts, dim=1)

    def perceive(self, h: Tensor, layers: nn.ModuleList) -> Tensor:
        """Return what a perceptron makes of each gene."""
        for i, layer in enumerate(layers):
            h = F.leaky_relu(layer(h), 0.01)
            if i < len(layers) - 1:
                h = F.dropout(h, self.shape.dropout, self.training or self.shape.always)
        return h

    def genes(self, graph: Any, x: Tensor, vectors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return each gene as a factor and as a target; one tensor if they are the same."""
        h = self.encode(graph, x, vectors)
        tf = self.perceive(h, self.layers)
        if self.target_layers is not None:
            return tf, self.perceive(h, self.target_layers)
        # dropout that is never off draws anew for each role, as published
        return tf, self.perceive(h, self.layers) if self.shape.always and len(self.layers) > 1 else tf


def _perceptron(widths: list[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
