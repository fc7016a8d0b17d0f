"""What a scFoundation network is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScFoundationConfig:
    """Sizes of a scFoundation network, under this package's names."""

    n_genes: int = 19264
    dim: int = 768
    heads: int = 12
    n_layers: int = 12
    hidden: int = 3072
    n_bins: int = 100
    bin_alpha: float = 1.0
    decoder_dim: int = 512
    decoder_heads: int = 8
    decoder_layers: int = 6
    decoder_hidden: int = 2048
    decoder_d_head: int = 64
    n_features: int = 266
    dropout: float = 0.1

    @property
    def n_tokens(self) -> int:
        """Positions: the genes, then T (the depth that is wanted), S (the depth that was seen) and padding."""
        return self.n_genes + 3
