"""The graph networks of scRegNet and scTransNet over a graph of genes, under one name each."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.nn import AttentionHeads, Edges, GraphConv, Propagation, SAGEConv, row_normalized, symmetric_normalized
from scgnn_tools.nn.pyg import PygConvolution, edge_index, is_convolution
from scgnn_tools.nn.relational import RelationalAttention, RelationalGraph, RelationVectors, relational_graph

KINDS = ("gcn", "sage", "gat")
LAYERS: dict[str, type[nn.Module]] = {"gcn": GraphConv, "sage": SAGEConv}
Operator = Propagation | Edges | RelationalGraph | Tensor


def check_backbone(backbone: object, choices: tuple[str | None, ...]) -> None:
    """Refuse what is none of the choices and no convolution of torch-geometric."""
    is_one = backbone is None or isinstance(backbone, str)
    if not (is_one and backbone in choices) and not is_convolution(backbone):
        shown = ", ".join(map(repr, choices))
        msg = f"backbone is {shown} or a convolution of torch-geometric such as 'GATv2Conv'; got {printable(repr(backbone))}."
        raise InputValueError(msg)


def operator(kind: str, directed: sp.csr_array, is_tf: np.ndarray, *, device: torch.device | None = None) -> Operator:
    """Return what a backbone passes messages with: the normalised matrix, or the edges that it weighs itself.

    Parameters
    ----------
    kind
        "gcn", "sage", "gat", "relational", or the name of a convolution of torch-geometric.
    directed
        The known edges, source in the row, (n, n); messages go both ways.
    is_tf
        Whether a gene is a factor, bool (n,): its type in the relational network.
    device
        Where to compute.
    """
    if kind == "relational":
        return relational_graph(directed, np.where(is_tf, 0, 1), device=device)
    both = directed.maximum(directed.T)
    if kind == "gat":
        return Edges(both, device=device)
    if kind not in KINDS:
        return edge_index(both, device=device)
    matrix = symmetric_normalized(both) if kind == "gcn" else row_normalized(both)
    return Propagation(matrix, device=device)


class Backbone(nn.Module):
    """A stack of graph layers of one kind, as in scRegNet's code.

    "gcn", "sage" and the convolutions of torch-geometric have ReLU and dropout between layers, and none after the last; "gat" has several
    heads a layer, ELU between layers, and averages the heads of the last one.

    Parameters
    ----------
    kind
        "gcn" (Kipf and Welling), "sage" (GraphSAGE, mean), "gat" (GENELink's attention), or the name of a convolution of torch-geometric.
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
                layer = LAYERS[kind](in_features, width) if kind in LAYERS else PygConvolution(kind, in_features, width)
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


class Relational(nn.Module):
    """A stack of :class:`~scgnn_tools.nn.relational.RelationalAttention` that share the vectors of types and relations.

    Shapes
    ------
    graph (n_genes nodes), x (n_genes, in_features) -> (n_genes, widths[-1])
    """

    def __init__(
        self, in_features: int, widths: Sequence[int], *, width: int = 32, heads: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        uneven = [w for w in widths if w % heads]
        if uneven:
            msg = f"The widths of relational layers are divided among heads={heads}; {uneven[0]} cannot be."
            raise InputValueError(msg)
        self.in_features, self.out_features = in_features, widths[-1]
        self.relations = RelationVectors(width)
        self.convs = nn.ModuleList(
            RelationalAttention(a, b, width=width, heads=heads, dropout=dropout)
            for a, b in pairwise([in_features, *widths])
        )

    def forward(self, graph: RelationalGraph, x: Tensor) -> Tensor:
        """Return what each gene makes of its neighbourhood."""
        u, r = self.relations()
        for conv in self.convs:
            x = conv(graph, x, u, r)
        return x
