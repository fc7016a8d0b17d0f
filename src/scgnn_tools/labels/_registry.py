"""All annotation methods: one line each."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.labels._protocol import LabelMethod


@dataclass(frozen=True)
class Entry:
    """Where a method lives and whether it is a baseline, which every result is printed beside."""

    module: str
    cls: str
    kind: Literal["method", "baseline"]


METHODS = {
    "scgrapht": Entry("scgnn_tools.labels.scgrapht", "ScGraPhT", "method"),
    "logreg_pca": Entry("scgnn_tools.labels.logreg", "LogRegPCA", "baseline"),
    "centroid": Entry("scgnn_tools.labels.centroid", "Centroid", "baseline"),
    "knn_pca": Entry("scgnn_tools.labels.knn", "KnnPCA", "baseline"),
}


def label_method(name: str, **options: Any) -> LabelMethod:
    """Return a new, unfitted method by its name."""
    if name not in METHODS:
        msg = f"There is no annotation method {printable(name)!r}; the methods are {', '.join(METHODS)}."
        raise InputValueError(msg)
    entry = METHODS[name]
    return getattr(import_module(entry.module), entry.cls)(**options)
