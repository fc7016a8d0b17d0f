"""Fit a method, score it beside the baselines on held-out labelled cells, calibrate it, label the query."""

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from scgnn_tools._errors import LabelError, SgtWarning
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.annotation import report
from scgnn_tools.annotation.conformal import ConformalSets, Kind
from scgnn_tools.annotation.labeller import AnnotationResult, Labeller, calibrated
from scgnn_tools.annotation.novelty import Novelty
from scgnn_tools.annotation.query import Query
from scgnn_tools.data.order import by_content
from scgnn_tools.labels import METHODS, Cells, Interruptible, LabelMethod, label_method
from scgnn_tools.labels.temperature import fit_temperature
from scgnn_tools.metrics import annotation
from scgnn_tools.splits import split_cells
from scgnn_tools.splits.cells import VALIDATION


def run(
    labelled: Cells, labels: np.ndarray, query: Query, *, unlabeled: np.ndarray | None = None, **how: Any
) -> AnnotationResult:
    """Annotate a query.

    Parameters
    ----------
    labelled, labels
        Reference cells and their labels, str (n_cells,).
    query
        Cells to label.
    unlabeled
        Positions in ``query`` of the cells that training may look at without their labels; None trains without them.
    how
        As for :func:`train`.
    """
    seen = None if unlabeled is None else query.take(unlabeled)
    return train(labelled, labels, unlabeled=seen, **how).label(query)


def train(
    labelled: Cells,
    labels: np.ndarray,
    *,
    method: str,
    reject: bool = True,
    experiments: np.ndarray | None = None,
    same_experiment: bool = True,
    coverage: float | None = None,
    conformal: Kind = "marginal",
    unlabeled: Cells | None = None,
    rng: RNG = 0,
    options: dict[str, Any] | None = None,
) -> Labeller:
    """Train a method and find out how good it is.

    70 % of the labelled cells train, 15 % stop the training, set the temperature and the thresholds of the sets, 15 % are scored. The
    model that is returned is then trained again with the scored cells among the training cells.

    Parameters
    ----------
    labelled, labels
        Reference cells and their labels, str (n_cells,).
    method
        Name in ``METHODS``.
    reject
        Whether cells unlike the reference are found.
    experiments, same_experiment
        Of the labelled cells and the query, as for :class:`Novelty`.
    coverage, conformal
        Of the sets, as for :class:`ConformalSets`; None makes none.
    unlabeled
        Cells that training may look at without their labels; None trains without any. The cells that are scored are among them, since
        those to label are.
    rng
        Seed of the split and of the training.
    options
        Handed to the method.

    Raises
    ------
    LabelError
        If there are fewer than two classes.

    Warns
    -----
    SgtWarning
        If a class has a single labelled cell, or Ctrl-C ended the work: then the best weights so far label the query, baselines that were
        not scored yet are missing, and nothing is trained again. Before there are weights KeyboardInterrupt is raised.
    """
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        msg = f"Annotation needs at least two classes; the labels hold {len(classes)}: {', '.join(map(printable, classes))}."
        raise LabelError(msg)
    number = seed(rng)
    order = by_content(labelled.expression)  # who is drawn does not depend on the order of the object
    part, alone = split_cells(codes[order], rng=number)
    if len(alone):
        names = ", ".join(printable(classes[c]) for c in alone)
        msg = f"{len(alone)} classes have a single labelled cell, which trains and is never scored: {names}."
        warnings.warn(msg, SgtWarning, stacklevel=4)
    train, validation, test = (order[part == p] for p in range(3))
    if unlabeled is not None:
        unlabeled = unlabeled.take(by_content(unlabeled.expression))
    fold = _Fold(labelled, codes, train, validation, None, number)
    trained = _train(method, fold, order[part != VALIDATION], labelled.take(test), codes[test], unlabeled, options)
    if trained.interrupted:
        msg = f"{method}: the training was interrupted; the labels are of its best weights so far."
        warnings.warn(msg, SgtWarning, stacklevel=4)
    sets, promised = None, {}
    held_out = labelled.take(validation)
    if coverage is not None:
        first = ConformalSets(coverage, conformal).fit(trained.first.proba(held_out), codes[validation])
        promised = report.promise(first, first.sets(trained.of_test), codes[test], len(validation))
        sets = ConformalSets(coverage, conformal).fit(trained.final.proba(held_out), codes[validation])
    novelty = None
    if reject:
        novelty = Novelty().fit(
            labelled.take(train),
            codes[train],
            labelled.take(np.concatenate([validation, test])),
            experiments=None if experiments is None else experiments[train],
            same_experiment=same_experiment,
        )
    told = report.make(trained.rows, method, trained.of_test, codes[test], classes, promised, "cells")
    final = trained.final
    return Labeller(classes, final.method, final.temperature, sets, novelty, told, trained.interrupted)


@dataclass(frozen=True)
class _Trained:
    """A method scored beside its baselines (``first``), and the one that labels (``final``), trained with the scored cells too."""

    rows: dict[str, dict[str, Any]]
    of_test: np.ndarray
    first: "_Fitted"
    final: "_Fitted"
    interrupted: bool


def _train(
    method: str,
    fold: "_Fold",
    everyone: np.ndarray,
    scored: Cells,
    codes: np.ndarray,
    seen: Cells | None,
    options: dict[str, Any] | None,
) -> _Trained:
    """Score the method and its baselines on held-out cells, then train it once more on ``everyone`` but the validation cells.

    After Ctrl-C nothing more is trained: what has been scored labels the query.
    """
    with_query = fold if seen is None else replace(fold, unlabeled=scored.beside(seen))
    row, first, of_test = _score(method, with_query, scored, codes, options)
    rows, final, interrupted = {method: row}, first, first.interrupted
    if (
        not len(codes) and seen is None
    ):  # no class has a second cell: there is nothing to score, and all of them have trained
        return _Trained(rows, of_test, first, final, interrupted)
    try:
        for name in (n for n, e in METHODS.items() if e.always and n != method):
            other, _, theirs = _score(name, fold, scored, codes, None)
            rows[name] = other | report.difference(of_test, theirs, codes)
        if not interrupted:
            again = _fit(method, replace(fold, train=everyone, unlabeled=seen), options)
            interrupted = again.interrupted
            final = first if interrupted else again
    except KeyboardInterrupt:
        interrupted = True
    return _Trained(rows, of_test, first, final, interrupted)


@dataclass(frozen=True)
class _Fitted:
    method: LabelMethod
    temperature: float
    interrupted: bool

    def proba(self, cells: Cells) -> np.ndarray:
        """Return calibrated probabilities, float32 (n_cells, n_classes)."""
        return calibrated(self.method.scores(cells), self.temperature)


@dataclass(frozen=True)
class _Fold:
    """Who trains, who steers the training, who may be looked at without a label."""

    cells: Cells
    codes: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    unlabeled: Cells | None
    rng: int


def _fit(method: str, fold: _Fold, options: dict[str, Any] | None) -> _Fitted:
    held_out, codes = fold.cells.take(fold.validation), fold.codes[fold.validation]
    fitted = label_method(method, **(options or {})).fit(
        fold.cells.take(fold.train),
        fold.codes[fold.train],
        held_out,
        codes,
        unlabeled=fold.unlabeled,
        rng=fold.rng,
    )
    stopped = METHODS[method].interruptible and cast("Interruptible", fitted).interrupted
    return _Fitted(fitted, fit_temperature(fitted.scores(held_out), codes) if len(codes) else 1.0, stopped)


def _score(
    method: str, fold: _Fold, scored: Cells, codes: np.ndarray, options: dict[str, Any] | None
) -> tuple[dict[str, Any], _Fitted, np.ndarray]:
    start = time.perf_counter()
    fitted = _fit(method, fold, options)
    if len(codes) == 0:
        proba = np.zeros((0, int(fold.codes.max()) + 1), dtype=np.float32)
        metrics = annotation(np.array([]), np.array([]))
    else:
        proba = fitted.proba(scored)
        metrics = annotation(codes, proba.argmax(axis=1), proba.max(axis=1))
    seconds = time.perf_counter() - start
    row = {"kind": METHODS[method].kind, **metrics, "temperature": fitted.temperature, "seconds": seconds}
    return row, fitted, proba
