"""The network of scBERT: a Performer over all genes of a cell.

Source: Yang et al., scBERT as a large-scale pretrained deep language model for cell type annotation, Nature Machine Intelligence 2022.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from scgnn_tools.fm.scbert.config import ScBERTConfig
from scgnn_tools.nn import Performer, Segments
from scgnn_tools.nn.performer import Stabiliser


class ScBERTNetwork(nn.Module):
    """See :class:`~scgnn_tools.fm.scbert.config.ScBERTConfig` for its sizes."""

    places: Tensor

    def __init__(self, config: ScBERTConfig) -> None:
        super().__init__()
        c = self.sizes = config
        self.values = nn.Embedding(c.n_values, c.dim)
        # in double precision and fixed, as published; the last place is no gene and has zeros
        self.register_buffer("places", torch.zeros(c.n_genes + 1, c.dim, dtype=torch.float64))
        self.performer = Performer(c.n_layers, c.dim, c.heads, c.d_head, c.hidden, c.n_features, qkv_bias=False)
        self.norm = nn.LayerNorm(c.dim)
        self.to_values = nn.Linear(c.dim, c.n_values)

    def forward(
        self,
        values: Tensor,
        segments: Segments,
        *,
        layer: int = -1,
        stabiliser: Stabiliser = "cell",
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states for token values (n_cells × (n_genes + 1),), int64; the last one is normed."""
        x = self.values(values).view(segments.n_cells, -1, self.sizes.dim)
        x = (x + self.places).float().flatten(0, 1)
        x = self.performer(x, segments, layer=layer, stabiliser=stabiliser, watch=watch)
        return self.norm(x) if layer in (-1, len(self.performer.layers)) else x
