"""The network of scGPT: gene and value embeddings, a post-norm transformer, and its three heads.

Source: Cui et al., scGPT, Nature Methods 2024. Attention is full within a cell; there are no positions.
"""

from collections.abc import Callable

from torch import Tensor, nn

from scgnn_tools.fm.scgpt.config import ScGPTConfig
from scgnn_tools.nn import Encoder, Segments
from scgnn_tools.nn.embeddings import GeneEmbedding, ValueEmbedding, special_table
from scgnn_tools.nn.heads import CellToGene, Classifier, ExpressionDecoder


class ScGPTNetwork(nn.Module):
    """See :class:`~scgnn_tools.fm.scgpt.config.ScGPTConfig` for its sizes."""

    def __init__(self, config: ScGPTConfig) -> None:
        super().__init__()
        c = config
        self.genes, self.values = GeneEmbedding(c.n_tokens, c.dim), ValueEmbedding(c.dim)
        if c.n_special:
            self.special = special_table(c.n_special, c.dim)
        self.batch_norm = nn.BatchNorm1d(c.dim, eps=6.1e-5) if c.batch_norm else None
        self.dropout = nn.Dropout(c.dropout)
        self.encoder = Encoder(c.n_layers, c.dim, c.heads, c.hidden, dropout=c.dropout)
        self.decoder = ExpressionDecoder(c.dim)
        self.classifier = Classifier(c.dim, c.n_classes, c.n_class_layers)
        self.cell_to_gene = CellToGene(c.dim)

    def embed(self, ids: Tensor, values: Tensor, special: Tensor | None = None) -> Tensor:
        """Return the input of the first block, (n_tokens, dim); ``special``, such as a flag of perturbed genes, is added."""
        x = self.genes(ids) + self.dropout(self.values(values))
        x = x if special is None else x + special
        return x if self.batch_norm is None else self.batch_norm(x)

    def forward(
        self,
        ids: Tensor,
        values: Tensor,
        segments: Segments,
        *,
        special: Tensor | None = None,
        layer: int = -1,
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim)."""
        return self.encoder(self.embed(ids, values, special), segments, layer=layer, watch=watch)
