"""All annotation methods: one line each."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.labels._protocol import LabelMethod


@dataclass(frozen=True)
class Entry:
    """Where a method lives and what it is.

    Attributes
    ----------
    module, cls
        Where.
    kind
        "baseline" for what others have to beat.
    always
        Whether every result is printed beside it.
    transductive
        Whether it learns from the unlabelled cells unasked, so that a cell's answer depends on the cells beside it.
    """

    module: str
    cls: str
    kind: Literal["method", "baseline"]
    always: bool = False
    transductive: bool = False


METHODS = {
    "scgrapht": Entry("scgnn_tools.labels.scgrapht", "ScGraPhT", "method"),
    "scbignn": Entry("scgnn_tools.labels.scbignn", "ScBiGNN", "method", transductive=True),
    "logreg_pca": Entry("scgnn_tools.labels.logreg", "LogRegPCA", "baseline", always=True),
    "centroid": Entry("scgnn_tools.labels.centroid", "Centroid", "baseline", always=True),
    "knn_pca": Entry("scgnn_tools.labels.knn", "KnnPCA", "baseline", always=True),
    "logreg_rep": Entry("scgnn_tools.labels.logreg", "LogRegRep", "baseline"),
    "knn_rep": Entry("scgnn_tools.labels.knn", "KnnRep", "baseline"),
    "sgd_genes": Entry("scgnn_tools.labels.sgd", "SgdGenes", "baseline"),
    "mlp": Entry("scgnn_tools.labels.mlp", "Mlp", "baseline"),
    "scanvi": Entry("scgnn_tools.labels.scanvi", "ScanVI", "baseline"),
    "cgc": Entry("scgnn_tools.labels.cgc", "CGC", "method"),
}


def method_options(name: str) -> list[str] | None:
    """Return the names of a method's options; None if it takes whatever it is given."""
    taken = inspect.signature(_cls(name)).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in taken) else [p.name for p in taken]


def label_method(name: str, **options: Any) -> LabelMethod:
    """Return a new, unfitted method by its name.

    ``device``, which is asked for by who does not know the method, reaches those that have it; another option that the method lacks is
    an error.
    """
    has = method_options(name)
    if has is not None:
        if "device" not in has:
            options.pop("device", None)
        for option in (o for o in options if o not in has):
            msg = f"{name} has no option {printable(option)!r}; its options are: {', '.join(has) or 'none'}."
            raise InputValueError(msg)
    return _cls(name)(**options)


def _cls(name: str) -> type:
    if name not in METHODS:
        msg = f"There is no annotation method {printable(name)!r}; the methods are {', '.join(METHODS)}."
        raise InputValueError(msg)
    return getattr(import_module(METHODS[name].module), METHODS[name].cls)
