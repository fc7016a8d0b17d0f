"""The network of scFoundation: an encoder over expressed genes and a Performer over all of them.

Source: Hao et al., Large-scale foundation model on single-cell transcriptomics, Nature Methods 2024 (xTrimoGene, mae_autobin).
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.fm.scfoundation.config import ScFoundationConfig
from scgnn_tools.nn import Encoder, Performer, Segments
from scgnn_tools.nn.performer import Stabiliser


class SoftBins(nn.Module):
    """A value as a soft mixture of learnt bins."""

    def __init__(self, n_bins: int, dim: int, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self.mlp, self.mlp2, self.bins = nn.Linear(1, n_bins), nn.Linear(n_bins, n_bins), nn.Embedding(n_bins, dim)
        self.mask, self.pad = nn.Embedding(1, dim), nn.Embedding(1, dim)

    def forward(self, values: Tensor) -> Tensor:
        """Return (n, dim) for values (n,)."""
        a = F.leaky_relu(self.mlp(values.unsqueeze(-1)), 0.1)
        return (self.alpha * a + self.mlp2(a)).softmax(dim=-1) @ self.bins.weight


class ScFoundationNetwork(nn.Module):
    """See :class:`~scgnn_tools.fm.scfoundation.config.ScFoundationConfig` for its sizes."""

    def __init__(self, config: ScFoundationConfig) -> None:
        super().__init__()
        c = self.sizes = config
        self.values, self.places = SoftBins(c.n_bins, c.dim, c.bin_alpha), nn.Embedding(c.n_tokens, c.dim)
        self.encoder = Encoder(c.n_layers, c.dim, c.heads, c.hidden, dropout=c.dropout)
        self.encoder_norm = nn.LayerNorm(c.dim)
        self.to_decoder = nn.Linear(c.dim, c.decoder_dim)
        self.decoder = Performer(
            c.decoder_layers,
            c.decoder_dim,
            c.decoder_heads,
            c.decoder_d_head,
            c.decoder_hidden,
            c.n_features,
            qkv_bias=True,
        )
        self.decoder_norm, self.norm = nn.LayerNorm(c.decoder_dim), nn.LayerNorm(c.decoder_dim)
        self.to_expression = nn.Linear(c.decoder_dim, 1)

    def forward(
        self,
        ids: Tensor,
        values: Tensor,
        segments: Segments,
        *,
        layer: int = -1,
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states of the encoder, (n_tokens, dim); the last one is normed."""
        x = self.values(values) + self.places(ids)
        x = self.encoder(x, segments, layer=layer, watch=watch)
        return self.encoder_norm(x) if layer in (-1, len(self.encoder.layers)) else x

    def decode(
        self,
        ids: Tensor,
        values: Tensor,
        segments: Segments,
        whole: Segments,
        *,
        layer: int = -1,
        stabiliser: Stabiliser = "cell",
        watch: Callable[[int, Tensor], None] | None = None,
        masked: Tensor | None = None,
    ) -> Tensor:
        """Return hidden states of the decoder for every gene and T and S of every cell, (n_cells × (n_genes + 2), decoder_dim).

        ``whole`` holds the cells at their full length; genes that a cell does not express enter with the value zero.
        ``masked`` are rows of the result whose genes are hidden: they enter with the embedding of the mask.
        """
        encoded = self(ids, values, segments)
        n = self.sizes.n_genes + 2
        places = self.places.weight[:n]
        zero = self.to_decoder(self.values(places.new_zeros(1)) + places)
        x = zero.repeat(segments.n_cells, 1)
        x[segments.cell * n + ids] = self.to_decoder(encoded + self.places(ids)).to(x.dtype)
        if masked is not None:
            x[masked] = self.to_decoder(self.values.mask.weight + self.places(masked % n)).to(x.dtype)
        x = self.decoder(x, whole, layer=layer, stabiliser=stabiliser, watch=watch)
        return self.norm(self.decoder_norm(x)) if layer in (-1, len(self.decoder.layers)) else x

    def expression(self, decoded: Tensor) -> Tensor:
        """Return the predicted log-normalised expression of decoded positions, (n,)."""
        return self.to_expression(decoded).squeeze(-1)
