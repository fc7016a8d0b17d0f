"""What a scBERT network is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ScBERTConfig:
    """Sizes of a scBERT network, under this package's names."""

    n_genes: int = 16906
    dim: int = 200
    heads: int = 10
    d_head: int = 64
    hidden: int = 800
    n_layers: int = 6
    n_features: int = 266
    n_values: int = 7
    """Token values: zero, five bins, and the mask."""
    gene2vec: bool = True
    """Whether genes have a vector of their own; without it the network cannot tell them apart."""

    @property
    def n_tokens(self) -> int:
        """Places: the genes, then one without a gene."""
        return self.n_genes + 1
