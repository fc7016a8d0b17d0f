"""The graph networks of scRegNet and scTransNet over a graph of genes, under one name each."""

from collections.abc import Sequence
from typing import Literal

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._errors import InputValueError
from scgnn_tools.nn import AttentionHeads, Edges, GraphConv, Propagation, SAGEConv, row_normalized, symmetric_normalized

Kind = Literal["gcn", "sage", "gat"]
KINDS = ("gcn", "sage", "gat")
Operator = Propagation | Edges


def operator(kind: str, adjacency: sp.csr_array, *, device: torch.device | None = None) -> Operator:
    """Return what a backbone passes messages with: the normalised matrix, or the edges that it weighs itself."""
    if kind == "gat":
        return Edges(adjacency, device=device)
    matrix = symmetric_normalized(adjacency) if kind == "gcn" else row_normalized(adjacency)
    return Propagation(matrix, device=device)


class Backbone(nn.Module):
    """A stack of graph layers of one kind, as in scRegNet's code.

    "gcn" and "sage" have ReLU and dropout between layers, and none after the last; "gat" has several heads a layer, ELU between layers,
    and averages the heads of the last one.

    Parameters
    ----------
    kind
        "gcn" (Kipf and Welling), "sage" (GraphSAGE, mean) or "gat" (GENELink's attention).
    in_features, widths
        Width of the input and of each layer.
    dropout
        Between layers, in training; those of attention are 0.5 as published.
    heads
        Of "gat", one number, or one a layer.
    reduction
        Of "gat": whether the heads of a layer are joined ("concat") or averaged ("mean").
    slope
        Of "gat".

    Shapes
    ------
    graph (n_genes, n_genes), x (n_genes, in_features) -> (n_genes, out_features)
    """

    def __init__(
        self,
        kind: str,
        in_features: int,
        widths: Sequence[int],
        *,
        dropout: float = 0.0,
        heads: int | Sequence[int] = 3,
        reduction: Literal["concat", "mean"] = "concat",
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        many = [heads] * len(widths) if isinstance(heads, int) else list(heads)
        if len(many) != len(widths):
            msg = f"heads is a number, or one for each of the {len(widths)} graph layers; got {len(many)}."
            raise InputValueError(msg)
        self.in_features = in_features
        self.kind, self.dropout = kind, nn.Dropout(dropout)
        self.convs = nn.ModuleList()
        for i, width in enumerate(widths):
            if kind == "gat":
                how: Literal["concat", "mean"] = "mean" if i == len(widths) - 1 else reduction
                layer: nn.Module = AttentionHeads(in_features, width, many[i], reduction=how, slope=slope)
                in_features = layer.out_features  # type: ignore[assignment]
            else:
                layer = GraphConv(in_features, width) if kind == "gcn" else SAGEConv(in_features, width)
                in_features = width
            if kind == "gcn":
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # as torch-geometric, which the published code uses
            self.convs.append(layer)
        self.out_features = in_features

    def forward(self, graph: Operator, x: Tensor) -> Tensor:
        """Return what each gene makes of its neighbourhood."""
        for i, conv in enumerate(self.convs):
            x = conv(graph, x)
            if i < len(self.convs) - 1:
                x = nn.functional.elu(x) if self.kind == "gat" else self.dropout(torch.relu(x))
        return x
