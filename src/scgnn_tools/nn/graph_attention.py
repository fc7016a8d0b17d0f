"""The graph attention of GENELink, which scRegNet's GAT shares, over edges instead of a dense matrix."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.nn.edges import Edges


class GraphAttention(nn.Module):
    r"""One head of GENELink (Chen and Liu, Bioinformatics 2022).

    With :math:`h = x W`, node ``i`` receives :math:`\sum_j \alpha_{ij} h_j`,
    :math:`\alpha_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}(a_1 \cdot h_i + a_2 \cdot h_j)` over its neighbours, through LeakyReLU
    and scaled to unit length, plus a bias.

    The published code writes the weights of all pairs and masks those that are no edges; here only the edges are computed. As there, a
    node without neighbours attends to all nodes alike, because a softmax over nothing but masks is uniform. In training the published
    code drops single nodes from that mean, which changes it by little; here it is whole.

    Parameters
    ----------
    in_features, out_features
        Widths.
    slope
        Of both LeakyReLU (``alpha`` in the published code).
    dropout
        Share of attention weights that are dropped in training.

    Shapes
    ------
    edges (n, n), x (n, in_features) -> (n, out_features)
    """

    def __init__(self, in_features: int, out_features: int, *, slope: float = 0.2, dropout: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.a = nn.Parameter(torch.empty(2 * out_features, 1))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.slope, self.dropout = slope, nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as published: Glorot uniform with gain 1.414, bias 0."""
        nn.init.xavier_uniform_(self.weight, gain=1.414)
        nn.init.xavier_uniform_(self.a, gain=1.414)
        nn.init.zeros_(self.bias)

    def weights(self, edges: Edges, h: Tensor) -> Tensor:
        """Return the attention of each edge, (n_edges,), for projected nodes ``h``."""
        receiving, sending = (h @ self.a.view(2, -1).T).unbind(dim=1)
        return edges.softmax(F.leaky_relu(receiving[edges.receiver] + sending[edges.sender], self.slope))

    def forward(self, edges: Edges, x: Tensor) -> Tensor:
        """Return what each node makes of its neighbours."""
        h = x @ self.weight
        out = edges.sum(self.dropout(self.weights(edges, h)), h)
        out = torch.where(edges.alone[:, None], h.mean(dim=0), out)
        return F.normalize(F.leaky_relu(out, self.slope), dim=1) + self.bias


class AttentionHeads(nn.Module):
    """Several :class:`GraphAttention` side by side, joined or averaged.

    Shapes
    ------
    edges (n, n), x (n, in_features) -> (n, heads × out_features) joined, (n, out_features) averaged
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        heads: int,
        *,
        reduction: Literal["concat", "mean"] = "concat",
        slope: float = 0.2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            GraphAttention(in_features, out_features, slope=slope, dropout=dropout) for _ in range(heads)
        )
        self.reduction = reduction
        self.out_features = out_features * (heads if reduction == "concat" else 1)

    def forward(self, edges: Edges, x: Tensor) -> Tensor:
        """Return the heads' outputs, joined or averaged."""
        out: Sequence[Tensor] = [head(edges, x) for head in self.heads]
        return torch.cat(list(out), dim=1) if self.reduction == "concat" else torch.stack(list(out)).mean(dim=0)
