"""What a scNetFormer network is made of."""

from dataclasses import dataclass

from scgnn_tools.fm.geneformer.config import GeneformerConfig


@dataclass(frozen=True)
class ScNetFormerConfig(GeneformerConfig):
    """Sizes of the Geneformer below it, and where its gene graph comes in."""

    n_graph_layers: int = 2
    """Graph convolutions of early fusion, 0 without."""
    detached: bool = False
    """Whether the graph convolutions leave the gene embeddings, their input, as they are."""
    masked_layers: tuple[int, ...] = ()
    """Blocks whose attention is limited to neighbours in the graph."""
    masked_heads: tuple[int, ...] | None = None
    """Heads of these blocks that are limited; None limits all."""
    contrast: float = 0.0
    """Weight of the contrastive loss in training."""
    temperature: float = 0.1
    max_anchors: int = 256
    """Tokens of a batch that the contrastive loss is computed of."""
