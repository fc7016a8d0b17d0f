"""All link predictors: one line each."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.links._protocol import LinkPredictor


@dataclass(frozen=True)
class Entry:
    """Where a predictor lives, whether it is a baseline, and what it uses."""

    module: str
    cls: str
    kind: Literal["method", "baseline"]
    uses: str


PREDICTORS = {
    "scregnet": Entry("scgnn_tools.links.scregnet", "ScRegNet", "method", "gene vectors, training edges"),
    "degree": Entry("scgnn_tools.links.degree", "Degree", "baseline", "training labels"),
    "collaborative": Entry("scgnn_tools.links.collaborative", "Collaborative", "baseline", "training labels"),
    "cosine": Entry("scgnn_tools.links.cosine", "Cosine", "baseline", "gene vectors"),
    "pcc": Entry("scgnn_tools.links.pcc", "PCC", "baseline", "expression"),
}


def link_predictor(name: str, **options: Any) -> LinkPredictor:
    """Return a new, unfitted predictor.

    Parameters
    ----------
    name
        "scregnet", "degree", "collaborative", "cosine" or "pcc".
    **options
        Of the method; ``rng`` is the seed of those that draw.
    """
    if name not in PREDICTORS:
        msg = f"There is no link predictor {printable(name)!r}; there are {', '.join(PREDICTORS)}."
        raise InputValueError(msg)
    entry = PREDICTORS[name]
    cls = getattr(import_module(entry.module), entry.cls)
    if entry.kind == "baseline":
        options.pop("rng", None)  # nothing is drawn
    return cls(**options)
