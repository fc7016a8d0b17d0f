"""All annotation methods: one line each."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, cast

import numpy as np

from scgnn_tools._doors import counted, door
from scgnn_tools._methods import Place, check_options, known
from scgnn_tools.labels._protocol import LabelMethod, Resolved

EXPRESSION, EMBEDDING = frozenset({"expression"}), frozenset({"embedding"})
BOTH, COUNTS = EXPRESSION | EMBEDDING, EXPRESSION | {"totals"}


@dataclass(frozen=True)
class Entry(Place):
    """Where a method lives and what it is.

    Attributes
    ----------
    module, cls
        Where.
    kind
        "baseline" for what others have to beat.
    reads
        Fields of :class:`Cells` on which a cell's scores depend, of a method made without options: "expression", "embedding", "totals".
    always
        Whether every result is printed beside it.
    transductive
        Whether it learns from the unlabelled cells unasked, so that a cell's answer depends on the cells beside it.
    sees_unlabeled
        Whether unlabelled cells that are given to its ``fit`` change what it learns, made without options; the others ignore them.
    interruptible
        Whether Ctrl-C ends its training early: it then has the best weights so far, and ``interrupted`` is True.
    random
        Whether two trainings with different seeds differ.
    parts
        Whether it is a graph network and a classifier that can be asked apart (:class:`WithParts`).
    gradients
        Whether gradients tell which genes and entries of the vectors its classes rest on (:class:`WithGradients`).
    ensemble
        Whether it is made of other methods (:class:`Ensemble`).
    device
        Whether it computes with PyTorch: it takes ``device``.
    saved
        Whether it can be made again from arrays and what JSON can hold, and then scores the same (:class:`Saved`).
    modelled
        Whether ``sgt.models`` has a class of it (:class:`Modelled`).
    resolves
        Whether its options hang on each other, as those of a paper's protocol do (:class:`Resolved`).
    package
        What it needs beside the dependencies of this package; "" for nothing.
    """

    kind: Literal["method", "baseline"]
    reads: frozenset[str] = EXPRESSION
    always: bool = False
    transductive: bool = False
    sees_unlabeled: bool = False
    interruptible: bool = False
    random: bool = False
    parts: bool = False
    gradients: bool = False
    ensemble: bool = False
    device: bool = False
    saved: bool = True
    modelled: bool = False
    resolves: bool = False
    package: str = ""

    @property
    def installed(self) -> bool:
        """Whether what it needs is there."""
        return not self.package or find_spec(self.package) is not None


TRAIN_SIZE = 0.85
"""Share of the labelled cells that train where a method has no say of its own."""
_NETWORK: dict[str, Any] = {"interruptible": True, "random": True, "device": True}
_PAPER: dict[str, Any] = {"modelled": True, "resolves": True, **_NETWORK}

METHODS = {
    "auto": Entry("scgnn_tools.labels.auto", "Auto", "method", BOTH, ensemble=True, resolves=True, **_NETWORK),
    "scgrapht": Entry("scgnn_tools.labels.scgrapht", "ScGraPhT", "method", BOTH, parts=True, gradients=True, **_PAPER),
    "scbignn": Entry("scgnn_tools.labels.scbignn", "ScBiGNN", "method", transductive=True, sees_unlabeled=True, **_PAPER),
    "logreg_pca": Entry("scgnn_tools.labels.logreg", "LogRegPCA", "baseline", always=True),
    "centroid": Entry("scgnn_tools.labels.centroid", "Centroid", "baseline", always=True),
    "knn_pca": Entry("scgnn_tools.labels.knn", "KnnPCA", "baseline", always=True),
    "logreg_rep": Entry("scgnn_tools.labels.logreg", "LogRegRep", "baseline", EMBEDDING),
    "knn_rep": Entry("scgnn_tools.labels.knn", "KnnRep", "baseline", EMBEDDING),
    "sgd_genes": Entry("scgnn_tools.labels.sgd", "SgdGenes", "baseline", random=True),
    "logreg_genes": Entry("scgnn_tools.labels.linear_genes", "LogRegGenes", "baseline"),
    "svm_genes": Entry("scgnn_tools.labels.linear_genes", "SvmGenes", "baseline"),
    "spearman_genes": Entry("scgnn_tools.labels.spearman", "SpearmanGenes", "baseline"),
    "lda_pca": Entry("scgnn_tools.labels.lda", "LdaPCA", "baseline"),
    "forest_genes": Entry("scgnn_tools.labels.forest", "ForestGenes", "baseline", random=True),
    "gcn_pca": Entry("scgnn_tools.labels.gcn", "GcnPCA", "baseline", **_NETWORK),
    "celltypist": Entry("scgnn_tools.labels.packages", "CellTypist", "baseline", random=True, package="celltypist"),
    "singler": Entry("scgnn_tools.labels.packages", "SingleR", "baseline", package="singler"),
    "mlp": Entry("scgnn_tools.labels.mlp", "Mlp", "baseline", **_NETWORK),
    "scanvi": Entry("scgnn_tools.labels.scanvi", "ScanVI", "baseline", COUNTS, sees_unlabeled=True, random=True, device=True, saved=False),
    "cgc": Entry("scgnn_tools.labels.cgc", "CGCLabels", "method", saved=False, **_NETWORK),
}  # fmt: skip


def method_options(name: str) -> list[str] | None:
    """Return the names of a method's options; None if it takes whatever it is given."""
    taken = inspect.signature(_cls(name)).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in taken) else [p.name for p in taken]


@door
def label_method(name: str, **options: Any) -> LabelMethod:
    """Return a new, unfitted method by its name.

    ``device``, which is asked for by who does not know the method, reaches those that have it; another option that the method lacks is
    an error.
    """
    has = method_options(name)
    if not METHODS[name].device:
        options.pop("device", None)
    if has is not None:
        check_options(name, options, has)
    return _cls(name)(**counted(_cls(name), options))


@door
def train_size(name: str, options: Mapping[str, Any]) -> float:
    """Return the share of the labelled cells that a method made with these options trains on; the others validate."""
    resolves = known(METHODS, "annotation method", name).resolves
    return cast("Resolved", label_method(name, **options)).train_size if resolves else TRAIN_SIZE


@door
def resolved(name: str, method: LabelMethod, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option as it held for a method that was made with some, in a form that any file can hold."""
    if known(METHODS, "annotation method", name).resolves:
        return plain(cast("Resolved", method).params)
    taken = inspect.signature(_cls(name)).parameters.values()
    return plain({p.name: options.get(p.name, p.default) for p in taken if p.kind is not p.VAR_KEYWORD})


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as text, numbers, truth values, and lists and dicts of them; "None" stands for None, a function goes by its name."""

    def one(value: Any) -> Any:
        if isinstance(value, Mapping):
            return plain(value)
        if isinstance(value, list | tuple):
            return [str(v) for v in value]
        if isinstance(value, np.generic):
            return value.item()
        return value if isinstance(value, str | bool | int | float) else getattr(value, "__qualname__", str(value))

    return {str(k): one(v) for k, v in options.items()}


def _cls(name: str) -> type:
    return known(METHODS, "annotation method", name).load()
