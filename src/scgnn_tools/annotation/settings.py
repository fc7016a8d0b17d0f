"""How cells are to be labelled: all that decides the answer beside the cells, checked before any work."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scgnn_tools import assets
from scgnn_tools._choices import choice, number, share
from scgnn_tools._device import resolve_device
from scgnn_tools._random import RNG, seed
from scgnn_tools.annotation.hierarchy import Hierarchy, from_json, read_hierarchy
from scgnn_tools.labels import METHODS, label_method
from scgnn_tools.labels.gene_graph import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

AUTO = "auto"
Above: TypeAlias = "pd.DataFrame | Mapping[str, str | Sequence[str]] | str | Path | Hierarchy | None"
"""A hierarchy as users have it; "auto" is that of the bundled reference, and none for others."""


@dataclass(frozen=True)
class AnnotationSettings:
    """Arguments of :func:`scgnn_tools.tl.annotate` that belong to the training.

    Attributes
    ----------
    method, options
        Name in ``METHODS``, and what it is made with.
    unknown
        How cells unlike the reference are found: "auto" knows what the cells of a query have in common, "cell" judges each by itself; None
        finds none.
    coverage, conformal
        Of the sets of labels.
    hierarchy, min_confidence
        What is above what, and how likely a name has to be.
    transductive
        Whether training sees the cells to label.
    use_rep
        Vectors in ``obsm``; None embeds.
    seed
        Of the split and the training.
    device
        Where to train.
    """

    method: str
    options: dict[str, Any] = field(default_factory=dict)
    unknown: str | None = "auto"
    coverage: float | None = 0.9
    conformal: str = "marginal"
    hierarchy: Hierarchy | None = None
    min_confidence: float = 0.8
    transductive: bool = False
    use_rep: str | None = None
    seed: int = 0
    device: str = "auto"

    @property
    def reject(self) -> bool:
        """Whether cells unlike the reference are found."""
        return self.unknown is not None

    @property
    def made_with(self) -> dict[str, Any]:
        """What the method is made with."""
        return {**self.options, "device": self.device}

    @property
    def gene_graph(self) -> str | None:
        """Key of ``varp`` of the graph of genes that the method asks for; None for none."""
        return key_of(self.options)

    @property
    def of_training(self) -> dict[str, Any]:
        """What :func:`scgnn_tools.annotation.run.train` takes of them."""
        how = {"reject": self.reject, "coverage": self.coverage, "conformal": self.conformal}
        return {"method": self.method, "options": self.made_with, "rng": self.seed, **how}

    @property
    def params(self) -> dict[str, Any]:
        """What is recorded beside a result."""
        out = {
            "method": self.method,
            "kind": METHODS[self.method].kind,
            "unknown": str(self.unknown),
            "transductive": self.transductive,
            "coverage": str(self.coverage),
            "conformal": self.conformal,
            "seed": self.seed,
        }
        return out if self.hierarchy is None else out | {"min_confidence": self.min_confidence}


def settings_of(
    *,
    method: str,
    options: dict[str, Any],
    unknown: str | None,
    coverage: float | None,
    conformal: str,
    hierarchy: "Above",
    min_confidence: float,
    use_rep: str | None,
    rng: RNG,
    device: str,
    bundled: bool,
    transductive: bool = False,
) -> AnnotationSettings:
    """Check arguments, and return them; ``bundled`` tells whether the labels are those of the reference that ships.

    Raises
    ------
    InputValueError, LabelError
        If one is wrong; the message says what it may be.
    """
    resolve_device(device)
    choice("unknown", unknown, ("auto", "cell", None))
    share("coverage", coverage, or_none=True)
    choice("conformal", conformal, ("marginal", "class"))
    number("min_confidence", min_confidence, above=0, most=1)
    label_method(method, **options, device=device)  # a wrong name is an error before any work
    if isinstance(hierarchy, str) and hierarchy == AUTO:
        hierarchy = from_json(assets.immune_hierarchy()) if bundled else None
    above = None if hierarchy is None else read_hierarchy(hierarchy)
    see = transductive or METHODS[method].transductive
    return AnnotationSettings(
        method, options, unknown, coverage, conformal, above, min_confidence, see, use_rep, seed(rng), device
    )
