"""What a scNetFormer network is made of."""

from dataclasses import dataclass
from typing import Any, ClassVar

from scgnn_tools.fm.geneformer.config import GeneformerConfig


@dataclass(frozen=True)
class ScNetFormerConfig(GeneformerConfig):
    """Sizes of the Geneformer below it, and where its gene graph comes in."""

    BEFORE: ClassVar[dict[str, Any]] = {"walk_dim": 0, "masking": 1.0}
    """What earlier saves were made with and do not name."""

    n_graph_layers: int = 2
    """Graph convolutions of early fusion, 0 without."""
    walk_dim: int = 0
    """Length of fixed vectors of the genes from walks over the graph (Gene2Vec), which are fused in place of convolutions; 0 without."""
    detached: bool = False
    """Whether the graph convolutions leave the gene embeddings, their input, as they are."""
    masked_layers: tuple[int, ...] = ()
    """Blocks whose attention is limited to neighbours in the graph."""
    masked_heads: tuple[int, ...] | None = None
    """Heads of these blocks that are limited; None limits all."""
    masking: float = 1.0
    """Weight of the masked loss in training."""
    contrast: float = 0.0
    """Weight of the contrastive loss in training."""
    temperature: float = 0.1
    max_anchors: int = 256
    """Tokens of a batch that the contrastive loss is computed of."""
