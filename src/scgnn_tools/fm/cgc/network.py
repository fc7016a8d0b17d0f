"""The network of Cell-Graph Compass: gene, value and text embeddings, messages along the cell's gene graph, a transformer.

Source: Fang et al., Cell-Graph Compass, bioRxiv 2024.06.04.597354, as its published code has it: where the paper says otherwise, see the
page of the model.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from scgnn_tools.fm.cgc.config import CGCConfig
from scgnn_tools.fm.cgc.graph import LARGEST_DISTANCE, CellEdges
from scgnn_tools.nn import Encoder, Segments
from scgnn_tools.nn.embeddings import GeneEmbedding, ValueEmbedding
from scgnn_tools.nn.heads import CellToGene, Classifier, ExpressionDecoder


class EdgeEmbedding(nn.Module):
    """An edge as the sum of three: does the source regulate the target, their correlation, their distance on the chromosome."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.regulates = nn.Sequential(nn.Embedding(2, dim), nn.LayerNorm(dim))
        self.correlation = nn.Sequential(
            nn.Linear(1, dim), nn.ReLU(), nn.Linear(dim, dim), nn.LayerNorm(dim), nn.Dropout(dropout)
        )
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
    """Edges are updated from their ends, then genes from the mean of their incoming messages.

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
        source, own, target = self.edge.weight.chunk(3, dim=1)
        change = (x @ source.T).index_select(0, edges.source) + e @ own.T
        change = change + (ends @ target.T + self.edge.bias).index_select(0, at.rank)
        e = self.edge_norm(e + self.dropout(change))

        def mean(states: Tensor) -> Tensor:
            return torch.zeros_like(ends).index_add_(0, at.rank, states.to(x.dtype)) / at.incoming.to(x.dtype)

        message = self.message(torch.cat([mean(of_source), mean(e), ends], dim=1))
        return self.norm(x.index_add(0, at.nodes, self.dropout(message).to(x.dtype))), e


class CGCNetwork(nn.Module):
    """See :class:`~scgnn_tools.fm.cgc.config.CGCConfig` for its sizes."""

    def __init__(self, config: CGCConfig) -> None:
        super().__init__()
        c = config
        self.genes, self.values = GeneEmbedding(c.n_tokens, c.dim), ValueEmbedding(c.dim)
        self.text = nn.Linear(c.n_text, c.dim) if c.n_text else None
        self.batch_norm = nn.BatchNorm1d(c.dim, eps=6.1e-5)
        self.dropout = nn.Dropout(c.dropout)
        self.edges = EdgeEmbedding(c.dim, c.dropout)
        self.graph: nn.ModuleList = nn.ModuleList(GraphLayer(c.dim, c.dropout) for _ in range(c.n_graph_layers))
        self.encoder = Encoder(c.n_layers, c.dim, c.heads, c.hidden, dropout=c.dropout)
        self.decoder = ExpressionDecoder(c.dim)
        self.classifier = Classifier(c.dim, c.n_classes, c.n_class_layers)
        self.cell_to_gene = CellToGene(c.dim)

    def embed(self, ids: Tensor, values: Tensor, edges: CellEdges, text: Tensor | None = None) -> Tensor:
        """Return the input of the first transformer block, (n_tokens, dim); ``text`` is (n_tokens, n_text)."""
        x = self.genes(ids) + self.dropout(self.values(values))
        if self.text is not None and text is not None:
            x = x + torch.relu(self.text(text))
        x = self.batch_norm(x)
        if len(self.graph) and edges.n_edges:
            e = self.edges(edges)
            for layer in self.graph:
                x, e = layer(x, e, edges)
        elif len(self.graph):
            for step in self.graph:  # without edges a gene keeps its state, up to the norm
                x = cast("GraphLayer", step).norm(x)
        return x

    def forward(
        self,
        ids: Tensor,
        values: Tensor,
        segments: Segments,
        *,
        edges: CellEdges,
        text: Tensor | None = None,
        layer: int = -1,
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim)."""
        return self.encoder(self.embed(ids, values, edges, text), segments, layer=layer, watch=watch)
