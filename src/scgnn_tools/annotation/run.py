"""Fit a method, score it beside the baselines on held-out labelled cells, calibrate it, label the query."""

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._errors import LabelError, SgtWarning
from scgnn_tools._keys import safe_names
from scgnn_tools._log import printable
from scgnn_tools._progress import counter
from scgnn_tools._random import RNG, seed
from scgnn_tools.annotation.conformal import ConformalSets, Kind, coverage_of
from scgnn_tools.annotation.novelty import Novelty
from scgnn_tools.annotation.query import Query
from scgnn_tools.data.order import by_content
from scgnn_tools.labels import METHODS, Cells, Interruptible, LabelMethod, label_method
from scgnn_tools.labels.temperature import fit_temperature, log_proba
from scgnn_tools.metrics import annotation, reliability
from scgnn_tools.splits import split_cells
from scgnn_tools.splits.cells import VALIDATION


@dataclass(frozen=True)
class AnnotationResult:
    """What a run says of the query and of itself.

    Attributes
    ----------
    proba
        Calibrated probabilities, float32 (n_query, n_classes).
    strange
        How unlike the reference each cell is, above 1 unknown, float32 (n_query,); zeros if that was not asked for.
    sign
        By which of ``SIGNS`` most, int (n_query,).
    empty
        Whether a cell expresses none of the genes, bool (n_query,).
    sets
        Conformal sets, bool (n_query, n_classes); None if they were not asked for.
    evaluation
        One row a method, the baselines included, scored on the same held-out cells.
    verdict
        The method against its best baseline, in words.
    calibration
        Confidence and accuracy of the method on the held-out cells, in bins.
    confusion
        Held-out cells by true (rows) and predicted class.
    conformal
        What the sets promise and what they did on the held-out cells.
    fitted
        The method that labelled the query.
    interrupted
        Whether Ctrl-C ended the work early: the labels are of the best weights until then, and nothing was trained a second time.
    """

    classes: np.ndarray
    proba: np.ndarray
    strange: np.ndarray
    sign: np.ndarray
    empty: np.ndarray
    sets: np.ndarray | None
    evaluation: pd.DataFrame
    verdict: str
    calibration: pd.DataFrame
    confusion: pd.DataFrame
    conformal: dict[str, Any]
    fitted: LabelMethod
    interrupted: bool

    @property
    def unknown(self) -> np.ndarray:
        """Cells unlike the reference, bool (n_query,)."""
        return self.strange > 1


def run(
    labelled: Cells,
    labels: np.ndarray,
    query: Query,
    *,
    method: str,
    reject: bool = True,
    experiments: np.ndarray | None = None,
    same_experiment: bool = True,
    coverage: float | None = None,
    conformal: Kind = "marginal",
    unlabeled: np.ndarray | None = None,
    rng: RNG = 0,
    options: dict[str, Any] | None = None,
) -> AnnotationResult:
    """Annotate a query.

    70 % of the labelled cells train, 15 % stop the training, set the temperature and the thresholds of the sets, 15 % are scored. The
    model that labels the query is then trained again with the scored cells among the training cells.

    Parameters
    ----------
    labelled, labels
        Reference cells and their labels, str (n_cells,).
    query
        Cells to label.
    method
        Name in ``METHODS``.
    reject
        Whether cells unlike the reference are found.
    experiments, same_experiment
        Of the labelled cells and the query, as for :class:`Novelty`.
    coverage, conformal
        Of the sets, as for :class:`ConformalSets`; None makes none.
    unlabeled
        Positions in ``query`` of the cells that training may look at without their labels; None trains without them. The cells that are
        scored are among them, since those to label are.
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
    fold = _Fold(labelled, codes, train, validation, None, number)
    scored = labelled.take(test)
    seen = None if unlabeled is None else query.take(unlabeled)
    if seen is not None:
        seen = seen.take(by_content(seen.expression))
    everyone = order[part != VALIDATION]
    trained = _train(method, fold, everyone, scored, codes[test], seen, options)
    if trained.interrupted:
        msg = f"{method}: the training was interrupted; the labels are of its best weights so far."
        warnings.warn(msg, SgtWarning, stacklevel=4)
    final, of_test = trained.final, trained.of_test
    evaluation = pd.DataFrame.from_dict(trained.rows, orient="index")
    sets = None if coverage is None else ConformalSets(coverage, conformal)
    promised: dict[str, Any] = {}
    if sets is not None:
        sets.fit(trained.first.proba(labelled.take(validation)), codes[validation])
        promised = _promise(sets, of_test, codes[test], len(validation))
    novelty = None
    if reject:
        held_out = labelled.take(np.concatenate([validation, test]))
        novelty = Novelty().fit(
            labelled.take(train),
            codes[train],
            held_out,
            experiments=None if experiments is None else experiments[train],
            same_experiment=same_experiment,
        )
    proba, strange, sign, empty = _judged(query, final, novelty)
    return AnnotationResult(
        classes=classes,
        proba=proba,
        strange=strange,
        sign=sign,
        empty=empty,
        sets=None if sets is None else sets.fit(final.proba(labelled.take(validation)), codes[validation]).sets(proba),
        evaluation=evaluation,
        verdict=verdict(evaluation, method),
        calibration=reliability(of_test.argmax(axis=1) == codes[test], of_test.max(axis=1, initial=0)),
        confusion=_confusion(codes[test], of_test.argmax(axis=1), classes),
        conformal=promised,
        fitted=final.method,
        interrupted=trained.interrupted,
    )


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
            rows[name] = other | _difference(of_test, theirs, codes)
        if not interrupted:
            again = _fit(method, replace(fold, train=everyone, unlabeled=seen), options)
            interrupted = again.interrupted
            final = first if interrupted else again
    except KeyboardInterrupt:
        interrupted = True
    return _Trained(rows, of_test, first, final, interrupted)


def _judged(
    query: Query, fitted: "_Fitted", novelty: Novelty | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the probabilities of each cell, how strange it is and by which sign, and whether it expresses nothing."""
    out = []
    with counter(len(query), what="annotate", unit="cell") as advance:
        for cells in query.blocks():
            nothing = np.zeros(len(cells), np.float32), np.zeros(len(cells), np.int8)
            strange, sign = nothing if novelty is None else novelty.judge(cells)
            out.append((fitted.proba(cells), strange, sign, np.diff(cells.expression.indptr) == 0))
            advance(len(cells))
    proba, strange, sign, empty = (np.concatenate(parts) for parts in zip(*out, strict=True))
    return proba, strange, sign, empty


def _promise(sets: ConformalSets, proba: np.ndarray, codes: np.ndarray, n: int) -> dict[str, Any]:
    share, error, size = coverage_of(sets.sets(proba), codes)
    return {
        "coverage": sets.coverage,
        "kind": sets.kind,
        "n_calibration": n,
        "held_out_coverage": share,
        "held_out_standard_error": error,
        "held_out_mean_size": size,
    }


def _confusion(true: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    names = safe_names(classes)
    return pd.DataFrame(counts, index=names, columns=names)


@dataclass(frozen=True)
class _Fitted:
    method: LabelMethod
    temperature: float
    interrupted: bool

    def proba(self, cells: Cells) -> np.ndarray:
        """Return calibrated probabilities, float32 (n_cells, n_classes)."""
        return np.exp(log_proba(self.method.scores(cells), self.temperature)).astype(np.float32)


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


def _difference(own: np.ndarray, other: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Return by how much the method is more often right than a baseline on the same cells, and the standard error of that.

    Only cells on which one of both is right count (McNemar): with a single one of them, difference and error are equal, a tie.
    """
    if len(codes) == 0:
        return {"difference": float("nan"), "standard_error": float("nan")}
    differ = (own.argmax(axis=1) == codes).astype(float) - (other.argmax(axis=1) == codes)
    return {"difference": float(differ.mean()), "standard_error": float(np.sqrt((differ**2).sum()) / len(codes))}


def verdict(evaluation: pd.DataFrame, method: str) -> str:
    """Say whether a method beats, ties with or loses to its best baseline; a tie is within one standard error of the paired difference."""
    others = evaluation.drop(index=method)
    others = others[others["kind"] == "baseline"]
    own = evaluation.loc[method]
    if not own["n"] or others.empty:
        return f"{method}: too few labelled cells to score any method"
    best = others["accuracy"].idxmax()
    difference = own["accuracy"] - others.loc[best, "accuracy"]
    error = others.loc[best].get("standard_error", np.nan)
    if np.isnan(error):  # of a share of that size among so many cells: they were not scored side by side
        error = np.sqrt(max(own["accuracy"] * (1 - own["accuracy"]), 1e-4) / own["n"])
    word = "ties with" if abs(difference) <= error + 1e-9 else "beats" if difference > 0 else "loses to"
    return (
        f"{method} {word} the best baseline on {int(own['n']):,} held-out labelled cells: accuracy {own['accuracy']:.3f}, "
        f"{best} {others.loc[best, 'accuracy']:.3f} (difference {difference:+.3f} ± {error:.3f})"
    )
