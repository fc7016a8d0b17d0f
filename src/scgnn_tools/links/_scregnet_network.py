"""The network of scRegNet."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.links._backbones import Backbone, Operator
from scgnn_tools.links._heads import PairHead


@dataclass(frozen=True)
class Shape:
    """Sizes of :class:`Network`."""

    backbone: str | None = "gcn"
    hidden: tuple[int, ...] = (64, 64)
    out: tuple[int, ...] = (128, 64)
    head: str = "product"
    dropout: float = 0.2
    heads: int | Sequence[int] = 3
    reduction: Literal["concat", "mean"] = "concat"
    slope: float = 0.2
    always: bool = False
    """Whether dropout of the perceptron is live in scoring too, as in the published code."""


class Network(nn.Module):
    """scRegNet (Kommu et al.): gene vectors beside what a graph network makes of ``x``, through a shared perceptron, and a head on pairs.

    The perceptron has LeakyReLU after every layer and dropout between them. Without a backbone the vectors go into it alone; without
    vectors, what the backbone gives.

    Shapes
    ------
    x (n_genes, d), vectors (n_genes, d_vectors) or None -> each gene as a factor and as a target, (n_genes, out[-1])
    """

    def __init__(self, d: int, d_vectors: int, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = d_vectors
        self.gnn = None
        if shape.backbone is not None:
            how = {"dropout": shape.dropout, "heads": shape.heads, "reduction": shape.reduction, "slope": shape.slope}
            self.gnn = Backbone(shape.backbone, d, shape.hidden, **how)  # type: ignore[arg-type]
            width += self.gnn.out_features
        widths = [width, *shape.out]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.head = PairHead(shape.head, widths[-1])

    @property
    def input_width(self) -> int | None:
        """Width of ``x``; None without a backbone, which reads none."""
        return None if self.gnn is None else self.gnn.in_features

    @property
    def vector_width(self) -> int:
        """Width of the gene vectors; 0 if there are none."""
        width: int = self.layers[0].in_features  # type: ignore[assignment]
        return width - (0 if self.gnn is None else self.gnn.out_features)

    def encode(self, graph: Operator, x: Tensor, vectors: Tensor | None) -> Tensor:
        """Return vectors and neighbourhood side by side, (n_genes, d_vectors + hidden[-1])."""
        parts = [] if vectors is None else [vectors]
        if self.gnn is not None:
            parts.append(self.gnn(graph, x))
        return torch.cat(parts, dim=1)

    def perceive(self, h: Tensor) -> Tensor:
        """Return what the perceptron makes of each gene."""
        for i, layer in enumerate(self.layers):
            h = F.leaky_relu(layer(h), 0.01)
            if i < len(self.layers) - 1:
                h = F.dropout(h, self.shape.dropout, self.training or self.shape.always)
        return h

    def genes(self, graph: Operator, x: Tensor, vectors: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return each gene as a factor and as a target: the same, unless the published dropout draws anew for each."""
        h = self.encode(graph, x, vectors)
        tf = self.perceive(h)
        return tf, self.perceive(h) if self.shape.always and len(self.layers) > 1 else tf
