"""How a gene graph goes into a Geneformer: convolutions, vectors of walks, masked attention, a contrastive loss."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from scgnn_tools import genes
from scgnn_tools._choices import integer, number
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable, say
from scgnn_tools.fm import scnetformer
from scgnn_tools.fm.geneformer import Geneformer
from scgnn_tools.models._graph_cells import Edges, graph_of

OF_CONTRAST = ("contrast_graph", "contrast_threshold", "temperature", "max_anchors")
"""What only the contrastive loss reads."""


def refuse_of_contrast(given: Iterable[str]) -> None:
    """Refuse what only the contrastive loss reads, where it has no weight."""
    for name in (n for n in given if n in OF_CONTRAST):
        msg = (
            f"{name}= is of the contrastive loss, which contrast=0 leaves out. Pass contrast=0.1, or leave out {name}."
        )
        raise InputValueError(msg)


@dataclass(frozen=True)
class Strategy:
    """What :class:`~scgnn_tools.models.ScNetFormer` is told of its graphs, by its names; None masks all layers, or all heads."""

    graph: Edges | None = None
    threshold: float = 0.0
    graph_layers: int = 2
    walk_dim: int = 0
    masked_layers: tuple[int, ...] | None = ()
    masked_heads: tuple[int, ...] | None = None
    masking: float = 1.0
    contrast: float = 0.0
    contrast_graph: Edges | None = None
    contrast_threshold: float | None = None

    def __post_init__(self) -> None:
        integer("graph_layers", self.graph_layers, least=0)
        integer("walk_dim", self.walk_dim, least=0)
        number("masking", self.masking, least=0)
        number("threshold", self.threshold)
        number("contrast", self.contrast, least=0)
        number("contrast_threshold", self.contrast_threshold, or_none=True)

    def refuse_unread(self, own: Iterable[str]) -> None:
        """Refuse what no part of the network would read; ``own`` names the options that were given beside."""
        if self.masked_heads is not None and self.masked_layers == ():
            msg = "masked_heads are of the blocks in masked_layers, and there is none. Pass masked_layers='all' or positions."
            raise InputValueError(msg)
        if not self.contrast:
            refuse_of_contrast(
                [*(n for n in ("contrast_graph", "contrast_threshold") if getattr(self, n) is not None), *own]
            )

    def asked(self) -> list[str]:
        """Return the names of what is not as it is unasked."""
        unasked = {f.name: f.default for f in fields(self)}
        return [n for n, v in vars(self).items() if v is not unasked[n] and (unasked[n] is None or v != unasked[n])]

    def network(self, model: Geneformer, seed: int, **options: Any) -> scnetformer.ScNetFormer:
        """Return a network with the weights of a Geneformer; ``options`` are further fields of its configuration."""
        edges = genes.prior() if self.graph is None else self.graph
        blocks, heads = range(model.sizes.n_layers), range(model.sizes.heads)
        out = scnetformer.ScNetFormer.of(
            model,
            scnetformer.card(),
            graph=graph_of(edges, model, self.threshold),
            contrast_graph=self._other(edges, model),
            seed=seed,
            n_graph_layers=self.graph_layers,
            walk_dim=self.walk_dim,
            masked_layers=tuple(blocks) if self.masked_layers is None else self.masked_layers,
            masked_heads=self.masked_heads,
            masking=self.masking,
            contrast=self.contrast,
            **options,
        )
        say(f"scnetformer: {out.graph!r} of {len(out.vocabulary):,} genes; {len(heads)} heads, {len(blocks)} blocks")
        return out

    def _other(self, edges: Edges, model: Geneformer) -> Any:
        """Return the graph of the contrastive loss where it is another one."""
        if not self.contrast or (self.contrast_graph is None and self.contrast_threshold is None):
            return None
        cut = self.threshold if self.contrast_threshold is None else self.contrast_threshold
        return graph_of(edges if self.contrast_graph is None else self.contrast_graph, model, cut)


def positions(name: str, given: Sequence[int] | str) -> tuple[int, ...] | None:
    """Return positions, None for all."""
    if isinstance(given, str) and given == "all":
        return None
    if isinstance(given, str) or not isinstance(given, Iterable):
        msg = f"{name} is 'all' or a list of positions; got {printable(repr(given))}."
        raise InputValueError(msg)
    return tuple(integer(name, p, least=0) for p in given)
