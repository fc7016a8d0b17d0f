"""The network of Cell-Graph Compass: gene, value and text embeddings, messages along the cell's gene graph, a transformer.

Source: Fang et al., Cell-Graph Compass, bioRxiv 2024.06.04.597354, as its published code has it, or, with ``variant="paper"``, as its text:
values, text features and correlations through three layers, no batch norm, messages of three layers without residuals, and the cell's
vector times an MLP of the gene in place of a bilinear product.
"""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from scgnn_tools.fm.cgc.config import CGCConfig
from scgnn_tools.fm.cgc.graph import CellEdges
from scgnn_tools.fm.cgc.messages import EdgeEmbedding, GraphLayer, PaperGraphLayer, ThreeLayers
from scgnn_tools.nn import Encoder, Segments
from scgnn_tools.nn.embeddings import GeneEmbedding, ValueEmbedding, special_table
from scgnn_tools.nn.heads import CellToGene, Classifier, ExpressionDecoder


class PaperCellToGene(nn.Module):
    """Predict the value of each token as the product of its cell's vector with an MLP of its gene's embedding."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = ThreeLayers(dim, dim)

    def forward(self, cells: Tensor, genes: Tensor, segments: Segments) -> Tensor:
        """Return the predicted values (n_tokens,) from cells (n_cells, dim) and gene embeddings (n_tokens, dim)."""
        return (self.query(genes) * cells.index_select(0, segments.cell)).sum(dim=-1)


class CGCNetwork(nn.Module):
    """See :class:`~scgnn_tools.fm.cgc.config.CGCConfig` for its sizes."""

    def __init__(self, config: CGCConfig) -> None:
        super().__init__()
        c = config
        paper, last = c.variant == "paper", c.n_graph_layers - 1
        self.genes, self.values = GeneEmbedding(c.n_tokens, c.dim), ValueEmbedding(c.dim, n_layers=3 if paper else 2)
        self.text: nn.Module | None = None
        if c.n_text:
            self.text = ThreeLayers(c.n_text, c.dim) if paper else nn.Sequential(nn.Linear(c.n_text, c.dim), nn.ReLU())
        if c.n_special:
            self.special = special_table(c.n_special, c.dim)
        self.batch_norm: nn.Module = nn.Identity() if paper else nn.BatchNorm1d(c.dim, eps=6.1e-5)
        self.dropout = nn.Dropout(c.dropout)
        self.edges = EdgeEmbedding(c.dim, c.dropout, n_layers=3 if paper else 2)
        self.graph: nn.ModuleList = nn.ModuleList(
            PaperGraphLayer(c.dim, last=i == last) if paper else GraphLayer(c.dim, c.dropout) for i in range(last + 1)
        )
        self.encoder = Encoder(c.n_layers, c.dim, c.heads, c.hidden, dropout=c.dropout)
        self.decoder = ExpressionDecoder(c.dim)
        self.classifier = Classifier(c.dim, c.n_classes, c.n_class_layers)
        self.cell_to_gene = PaperCellToGene(c.dim) if paper else CellToGene(c.dim)

    def embed(
        self, ids: Tensor, values: Tensor, edges: CellEdges, text: Tensor | None = None, special: Tensor | None = None
    ) -> Tensor:
        """Return the input of the first transformer block, (n_tokens, dim).

        ``text`` is (n_tokens, n_text); ``special``, the paper's emb_s, is added to the embeddings as it is, (n_tokens, dim).
        """
        x = self.genes(ids) + self.dropout(self.values(values))
        if special is not None:
            x = x + special
        if self.text is not None and text is not None:
            x = x + self.text(text)
        x = self.batch_norm(x)
        if len(self.graph) and edges.n_edges:
            e = self.edges(edges)
            for layer in self.graph:
                x, e = layer(x, e, edges)
        elif len(self.graph):
            for layer in self.graph:
                x = cast("GraphLayer", layer).alone(x)
        return x

    def forward(
        self,
        ids: Tensor,
        values: Tensor,
        segments: Segments,
        *,
        edges: CellEdges,
        text: Tensor | None = None,
        special: Tensor | None = None,
        layer: int = -1,
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim)."""
        return self.encoder(self.embed(ids, values, edges, text, special), segments, layer=layer, watch=watch)
