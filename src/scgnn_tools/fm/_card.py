"""The card of a model: where its weights are from, under which licence, what it wants and where it ends."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ModelCard:
    """What a user has to know before using a model; all of it is data."""

    name: str
    title: str
    kind: Literal["linear", "transformer", "graph transformer"]
    bundled: bool
    weights: str
    """Where the weights are from."""
    sha256: str
    licence: str
    organism: str
    gene_key: Literal["symbol", "ensembl"]
    input: Literal["counts", "log1p"]
    dimension: int
    n_genes: int
    trained_on: str
    limits: str
    restricted: bool = False
    """Whether the licence of the weights limits their use, or there is none: ``download`` then wants consent."""

    def as_dict(self) -> dict[str, Any]:
        """Return the card as a dict."""
        return asdict(self)
