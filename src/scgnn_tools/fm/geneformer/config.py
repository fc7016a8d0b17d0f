"""What a Geneformer network is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GeneformerConfig:
    """Sizes of a Geneformer network, under this package's names; always read from ``config.json``."""

    n_tokens: int
    dim: int
    heads: int
    hidden: int
    n_layers: int
    max_length: int
    """Most tokens of a cell, special tokens included."""
    n_types: int = 2
    eps: float = 1e-12
    dropout: float = 0.02
    pad_id: int = 0
    mask_id: int = 1
    cls_id: int = -1
    """-1 in series V1, which has no tokens at the ends of a cell."""
    eos_id: int = -1

    @property
    def ends(self) -> int:
        """Tokens before and after the genes: 0 in series V1, 1 in V2."""
        return int(self.cls_id >= 0)
