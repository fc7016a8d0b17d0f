"""Messages along the edges of a cell's gene graph, as the published code of Cell-Graph Compass and as its paper have them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.fm.cgc.graph import LARGEST_DISTANCE, CellEdges


class EdgeEmbedding(nn.Module):
    """An edge as the sum of three: does the source regulate the target, their correlation, their distance on the chromosome.

    The correlation goes through ``n_layers`` linear layers, ReLU between: 2 in the published code, 3 in the paper. The norms are those
    of the code; the paper does not speak of them.
    """

    def __init__(self, dim: int, dropout: float, *, n_layers: int = 2) -> None:
        super().__init__()
        self.regulates = nn.Sequential(nn.Embedding(2, dim), nn.LayerNorm(dim))
        layers: list[nn.Module] = [nn.Linear(1, dim)]
        for _ in range(n_layers - 1):
            layers += [nn.ReLU(), nn.Linear(dim, dim)]
        self.correlation = nn.Sequential(*layers, nn.LayerNorm(dim), nn.Dropout(dropout))
        self.distance = nn.Sequential(nn.Embedding(2 * LARGEST_DISTANCE + 2, dim), nn.LayerNorm(dim))

    def forward(self, edges: CellEdges) -> Tensor:
        """Return (n_edges, dim)."""
        # most edges share their correlation (0) and each of the few distances: distinct ones are computed once
        distinct, which = torch.unique(edges.correlation, return_inverse=True)
        correlation = self.correlation(distinct.unsqueeze(-1)).index_select(0, which)
        return (
            self.regulates[1](self.regulates[0].weight).index_select(0, edges.regulates)
            + correlation
            + self._by_distance().index_select(0, edges.distance)
        )

    def _by_distance(self) -> Tensor:
        return self.distance[1](self.distance[0].weight)


class GraphLayer(nn.Module):
    """Edges are updated from their ends, then genes from the mean of their incoming messages: the published code.

    Both functions are linear in [source, edge, target]. So their parts for sources and targets are computed once a gene, and the mean
    over messages is taken before the product with the weights: one product of width ``dim`` an edge is left. Only genes at which edges
    end, about two of five in a blood cell, take part as targets.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.edge, self.message = nn.Linear(3 * dim, dim), nn.Linear(3 * dim, dim)
        self.edge_norm, self.norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, e: Tensor, edges: CellEdges) -> tuple[Tensor, Tensor]:
        """Return the next states of genes (n_tokens, dim) and edges (n_edges, dim)."""
        # index_select and not x[...], whose gradient is added up in an order that changes with the threads
        at, ends = edges.targets, x.index_select(0, edges.targets.nodes)
        of_source = x.index_select(0, edges.source)
        e = self.edge_norm(e + self.dropout(_of_edges(self.edge, x, e, edges)))

        def mean(states: Tensor) -> Tensor:
            return torch.zeros_like(ends).index_add_(0, at.rank, states.to(x.dtype)) / at.incoming.to(x.dtype)

        message = self.message(torch.cat([mean(of_source), mean(e), ends], dim=1))
        return self.norm(x.index_add(0, at.nodes, self.dropout(message).to(x.dtype))), e

    def alone(self, x: Tensor) -> Tensor:
        """Return the next states of genes where there is no edge at all."""
        return self.norm(x)


class PaperGraphLayer(nn.Module):
    r"""Genes become the mean of their incoming messages, edges are updated from their ends: the equations of the paper (5-7).

    .. math:: x_i' = \frac{1}{|N_i|} \sum_{j \in N_i} f(x_j, e_{ji}, x_i), \quad e_{ji}' = g(x_j, e_{ji}, x_i)

    Both read the states before the layer. :math:`f, g` have three layers, without residuals and norms. A gene at which no edge ends would
    become zero; cells give every gene an edge from their token.

    Parameters
    ----------
    dim
        Width.
    last
        Whether no layer follows, so that the edges' next states are not needed.
    """

    def __init__(self, dim: int, *, last: bool) -> None:
        super().__init__()
        self.message = ThreeLayers(3 * dim, dim)
        self.edge = None if last else ThreeLayers(3 * dim, dim)

    def forward(self, x: Tensor, e: Tensor, edges: CellEdges) -> tuple[Tensor, Tensor]:
        """Return the next states of genes (n_tokens, dim) and edges (n_edges, dim)."""
        at = edges.targets
        messages = self.message.rest(_of_edges(self.message.first, x, e, edges)).to(x.dtype)
        total = x.new_zeros(len(at.nodes), x.shape[1]).index_add_(0, at.rank, messages)
        genes = torch.zeros_like(x).index_copy(0, at.nodes, total / at.incoming.to(x.dtype))
        return genes, e if self.edge is None else self.edge.rest(_of_edges(self.edge.first, x, e, edges))

    def alone(self, x: Tensor) -> Tensor:
        """Return the next states of genes where there is no edge at all."""
        return torch.zeros_like(x)


class ThreeLayers(nn.Module):
    """Linear, ReLU, Linear, ReLU, Linear."""

    def __init__(self, n_in: int, dim: int) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(n_in, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)

    def rest(self, h: Tensor) -> Tensor:
        """Return the output given that of the first layer."""
        return self.third(F.relu(self.second(F.relu(h))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, (n, dim)."""
        return self.rest(self.first(x))


def _of_edges(linear: nn.Linear, x: Tensor, e: Tensor, edges: CellEdges) -> Tensor:
    """Return ``linear([source, edge, target])`` of each edge; what sources and targets add is computed once a gene."""
    at = edges.targets
    source, own, target = linear.weight.chunk(3, dim=1)
    out = (x @ source.T).index_select(0, edges.source) + e @ own.T
    ends = x.index_select(0, at.nodes) @ target.T + linear.bias
    return out + ends.index_select(0, at.rank)
