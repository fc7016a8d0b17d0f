"""What a Cell-Graph Compass network is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

VARIANTS = ("repo", "paper")
"""The network of the published code, and that of the paper."""

THINNINGS = ("auto", "strongest", "random", None)
"""How the graph of a cell may be thinned; "auto" is what the network was made with."""


@dataclass(frozen=True)
class CGCConfig:
    """Sizes of a CGC network, under this package's names."""

    n_tokens: int
    dim: int = 512
    heads: int = 8
    hidden: int = 512
    n_layers: int = 12
    n_graph_layers: int = 3
    n_class_layers: int = 3
    n_classes: int = 1
    n_text: int = 0
    """Width of the text features of genes, 0 without."""
    dropout: float = 0.2
    pad_id: int = 0
    cls_id: int = 1
    cls_value: float = 0.0
    n_bins: int = 51
    standardised: bool = False
    """Whether its heads predict bins minus their middle over their spread; published ones predict the bins as they are."""
    max_length: int = 1201
    """Most tokens of a cell, the cell token included."""
    variant: str = "repo"
    """"repo", the network of the published code and weights, or "paper", that of the text."""
    thinning: str | None = "strongest"
    """Which co-expression edges a crowded cell keeps: "strongest", "random" or, as in the text, None: all."""
    continuous: bool = False
    """Whether values are log1p of what is scaled to a million, and not bins: for bulk samples."""

    n_special: int = 0
    """Rows of the table of special tokens (emb_s of the paper: untouched, perturbed, padding), 0 without: of tuned networks."""

    BEFORE: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"thinning": "strongest", "continuous": False, "n_special": 0}
    )
    """What stood for fields that earlier saves do not name."""
