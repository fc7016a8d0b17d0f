"""What a scGPT network is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar


@dataclass(frozen=True)
class ScGPTConfig:
    """Sizes of a scGPT network, under this package's names; ``args.json`` calls them embsize, nheads, d_hid, nlayers, n_layers_cls."""

    n_tokens: int
    """Rows of the gene embedding, special tokens included."""
    dim: int = 512
    heads: int = 8
    hidden: int = 512
    n_layers: int = 12
    n_class_layers: int = 3
    n_classes: int = 1
    dropout: float = 0.2
    pad_id: int = 0
    cls_id: int = 0
    cls_value: float = -2.0
    """Value of the cell token: the published embedding code gives it that of padding."""
    n_bins: int = 51
    max_length: int = 1200
    """Most tokens of a cell, the cell token included."""
    batch_norm: bool = False
    """Batch norm after the embeddings: in some early private checkpoints."""
    n_special: int = 0
    """Rows of the table of flags (untouched, perturbed, padding), 0 without: of networks tuned on perturbations."""

    BEFORE: ClassVar[Mapping[str, Any]] = MappingProxyType({"n_special": 0})
    """What stood for fields that earlier saves do not name."""
