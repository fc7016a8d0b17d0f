"""The trained method for a query: the one at hand where it fits, else one trained on the genes that reference and query share."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from scgnn_tools._errors import LabelError
from scgnn_tools._log import printable, say
from scgnn_tools.annotation.asked import OpenQuery
from scgnn_tools.annotation.inputs import shared_genes, vectors_of
from scgnn_tools.annotation.known import KnownCells
from scgnn_tools.annotation.labeller import Labeller
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.run import train
from scgnn_tools.annotation.same_cells import both, fingerprints
from scgnn_tools.annotation.settings import AnnotationSettings
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import Cells

LOST = 0.02
"""Share of the reference's counts on genes that a query lacks, up to which they may count as not expressed."""


def trained(
    known: KnownCells,
    shared: np.ndarray,
    settings: AnnotationSettings,
    model: FoundationModel,
    unlabeled: Cells | None = None,
) -> Labeller:
    """Train on labelled cells over some of their genes."""
    return train(
        known.cells(shared, model),
        known.labels,
        experiments=known.experiments if known.n_experiments > 1 else None,
        same_experiment=False,
        unlabeled=unlabeled,
        **settings.of_training,
    )


def fit_for(
    known: KnownCells,
    asked: OpenQuery,
    settings: AnnotationSettings,
    model: FoundationModel,
    name: str,
    *,
    ready: Labeller | None = None,
    retrain: Literal["auto"] | bool = "auto",
) -> tuple[Labeller, Query, dict[str, Any]]:
    """Return a trained method that fits a query, the query as it takes it, and what is recorded of both.

    Parameters
    ----------
    known, asked
        Labelled cells and the query. Cells that are both are left out of the reference.
    settings, model
        How to train, and the foundation model.
    name
        What the reference is called.
    ready
        Trained on all genes of ``known``, if there is one.
    retrain
        As for :meth:`scgnn_tools.annotation.Annotator.annotate`.
    """
    shared = shared_genes(known, asked, model)
    same = both(fingerprints(known.over(shared)), asked.fingerprints(shared))
    fit = fit_on(known, shared, same, settings, model, name, ready=ready, retrain=retrain, unlabeled=asked)
    return fit.labeller, asked.query(fit.genes, model), fit.params


@dataclass(frozen=True)
class Fit:
    """A trained method that fits a query, the genes that it wants, as positions in the vocabulary, and what is recorded of both."""

    labeller: Labeller
    genes: np.ndarray
    params: dict[str, Any]


def fit_on(
    known: KnownCells,
    shared: np.ndarray,
    same: np.ndarray,
    settings: AnnotationSettings,
    model: FoundationModel,
    name: str,
    *,
    ready: Labeller | None,
    retrain: Literal["auto"] | bool,
    unlabeled: OpenQuery | None = None,
) -> Fit:
    """Do the work of :func:`fit_for`, given the genes that both have and which labelled cells, bool (n_known,), are cells of the query."""
    if same.all():
        msg = (
            f"All {len(known):,} cells of the reference are cells of the query, and nothing is left to learn from. Pass cells of another "
            "experiment as reference=, or label the object from its own labels: labels_key=."
        )
        raise LabelError(msg)
    if ready is not None and _fits(known, shared, same, retrain=retrain):
        genes, used, left = known.genes, known, ready
    else:
        genes, used = shared, known.take(np.flatnonzero(~same)) if same.any() else known
        seen = unlabeled.query(shared, model).whole() if settings.transductive and unlabeled is not None else None
        if ready is not None:
            say(f"annotate: trained again on {len(shared):,} shared genes: {_why(known, shared, same)}")
        left = trained(used, shared, settings, model, seen)
    params: dict[str, Any] = {
        "labels": f"{name} ({len(used):,} cells{_twice(known, same, left_out=used is not known)})",
        "vectors": vectors_of(known, shared, model, settings.use_rep),
        "trained_for_this_query": left is not ready,
    }
    if same.any():
        params["left_out" if used is not known else "also_in_query"] = known.names[same].astype(str).astype(object)
    return Fit(left, genes, params)


def _fits(known: KnownCells, shared: np.ndarray, same: np.ndarray, *, retrain: Literal["auto"] | bool) -> bool:
    """Tell whether a method that was trained on all genes and cells of the reference is right for a query."""
    if retrain is False or (len(shared) == len(known.genes) and not same.any()):
        return True
    if retrain is True or same.any():
        return False
    return _lost(known, shared) <= LOST


def _lost(known: KnownCells, shared: np.ndarray) -> float:
    """Return the share of the reference's counts on genes that a query lacks."""
    return float(1 - known.over(shared).sum() / known.counts.sum())


def _why(known: KnownCells, shared: np.ndarray, same: np.ndarray) -> str:
    """Say why a trained method does not fit a query."""
    if same.any():
        return f"{int(same.sum()):,} cells of the reference are cells of the query and were left out"
    return f"the query lacks {100 * _lost(known, shared):.2g} % of the reference's counts"


def _twice(known: KnownCells, same: np.ndarray, *, left_out: bool) -> str:
    """Say which cells of the reference are cells of the query."""
    if not same.any():
        return ""
    some = ", ".join(printable(n, limit=24) for n in known.names[same][:3]) + (", …" if same.sum() > 3 else "")
    what = "more are cells of the query and were left out" if left_out else "of them are cells of the query too"
    return f"; {int(same.sum()):,} {what}: {some}"
