"""The network of Geneformer: BERT with ReLU, over packed cells.

Source: Theodoris et al., Transfer learning enables predictions in network biology, Nature 2023; architecture of Devlin et al. 2019.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from scgnn_tools.fm.geneformer.config import GeneformerConfig
from scgnn_tools.nn import Encoder, Segments


class MaskedGeneHead(nn.Module):
    """Logits of the gene behind a masked token; the output matrix is the table of gene embeddings."""

    def __init__(self, config: GeneformerConfig) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(config.dim, config.dim), nn.LayerNorm(config.dim, eps=config.eps)
        self.bias = nn.Parameter(torch.zeros(config.n_tokens))

    def forward(self, hidden: Tensor, table: Tensor) -> Tensor:
        """Return logits, (n_tokens, n_vocabulary)."""
        return self.norm(torch.relu(self.dense(hidden))) @ table.T + self.bias


class GeneformerNetwork(nn.Module):
    """See :class:`~scgnn_tools.fm.geneformer.config.GeneformerConfig` for its sizes."""

    def __init__(self, config: GeneformerConfig) -> None:
        super().__init__()
        c = config
        self.genes, self.ranks = nn.Embedding(c.n_tokens, c.dim), nn.Embedding(c.max_length, c.dim)
        self.types, self.norm = nn.Embedding(c.n_types, c.dim), nn.LayerNorm(c.dim, eps=c.eps)
        self.dropout = nn.Dropout(c.dropout)
        self.encoder = Encoder(c.n_layers, c.dim, c.heads, c.hidden, dropout=c.dropout, eps=c.eps)
        self.head = MaskedGeneHead(c)

    def embed(self, ids: Tensor, segments: Segments) -> Tensor:
        """Return the input of the first block: gene, rank and the one token type, (n_tokens, dim)."""
        return self.dropout(self.norm(self.genes(ids) + self.types.weight[0] + self.ranks(segments.rank)))

    def forward(
        self,
        ids: Tensor,
        values: Tensor | None,
        segments: Segments,
        *,
        layer: int = -1,
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim); there are no values."""
        return self.encoder(self.embed(ids, segments), segments, layer=layer, watch=watch)
