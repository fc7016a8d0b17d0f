"""The card of a model: where its weights are from, under which licence, what it wants and where it ends."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from scgnn_tools._html import boxed


@dataclass(frozen=True)
class ModelCard:
    """What a user has to know before using a model: licence, weights, input, limits.

    Examples
    --------
    >>> card = sgt.fm.card("cgc-mini")
    >>> card.bundled, card.organism, card.gene_key
    (True, 'human', 'symbol')
    """

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

    def _repr_html_(self) -> str:
        facts = self.as_dict()
        first = {
            k: facts[k]
            for k in ("licence", "bundled", "organism", "gene_key", "input", "dimension", "n_genes", "limits")
        }
        rest = {k: v for k, v in facts.items() if k not in first and k not in ("name", "title")}
        return boxed(f"{self.name}: {self.title}", first, {"weights and training": rest})

    def as_dict(self) -> dict[str, Any]:
        """Return the card as a dict."""
        return asdict(self)
