"""The network of scNetFormer: Geneformer, with graph features in its embedding and attention along the graph in chosen blocks."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from scgnn_tools.fm.geneformer.network import GeneformerNetwork
from scgnn_tools.fm.scnetformer.config import ScNetFormerConfig
from scgnn_tools.nn import GraphConv, Propagation, Segments
from scgnn_tools.nn.transformer import Attend


class ScNetFormerNetwork(GeneformerNetwork):
    """See :class:`~scgnn_tools.fm.scnetformer.config.ScNetFormerConfig` for its sizes.

    Graph features are multiplied with a gate that begins at zero: before training the network is the Geneformer that it was made of.
    """

    def __init__(self, config: ScNetFormerConfig) -> None:
        super().__init__(config)
        self.detached = config.detached
        self.graph = nn.ModuleList(GraphConv(config.dim, config.dim) for _ in range(config.n_graph_layers))
        self.walks: Tensor
        if config.walk_dim:
            self.register_buffer("walks", torch.zeros(config.n_tokens, config.walk_dim))
        self.project = nn.Linear(config.walk_dim, config.dim, bias=False) if config.walk_dim else None
        self.gate = nn.Parameter(torch.zeros(1)) if config.n_graph_layers or config.walk_dim else None

    def graph_features(self, propagate: Propagation, ids: Tensor) -> Tensor:
        """Return the vector of each node of a graph, whose token ids are given, (n_nodes, dim)."""
        h = self.genes(ids)
        if self.detached:
            h = h.detach()
        for i, layer in enumerate(self.graph):
            h = layer(propagate, torch.relu(h) if i else h)
        return h

    def walk_features(self, ids: Tensor, is_gene: Tensor) -> Tensor:
        """Return the projected vector of each token that is a gene, zeros for others and for genes without an edge, (n_tokens, dim)."""
        features = self.project(self.walks[ids])  # type: ignore[misc]
        return features * is_gene[:, None].to(features.dtype)

    def embed(self, ids: Tensor, segments: Segments, fusion: Tensor | None = None) -> Tensor:
        """Return the input of the first block, with graph features (n_tokens, dim) where they are given, (n_tokens, dim)."""
        if fusion is None or self.gate is None:
            return super().embed(ids, segments)
        x = self.genes(ids) + self.types.weight[0] + self.ranks(segments.rank)
        return self.dropout(self.norm(x + self.gate * fusion))

    def forward(
        self,
        ids: Tensor,
        values: Tensor | None,
        segments: Segments,
        *,
        layer: int = -1,
        watch: Callable[[int, Tensor], None] | None = None,
        fusion: Tensor | None = None,
        attend: Mapping[int, Attend] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim)."""
        x = self.embed(ids, segments, fusion)
        return self.encoder(x, segments, layer=layer, watch=watch, attend=attend)
