"""Fit a method, score it beside the baselines on held-out labelled cells, calibrate it, label the query."""

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import LabelError, SgtWarning
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._calibration import fit_temperature, log_proba
from scgnn_tools.labels._novelty import Novelty
from scgnn_tools.labels._protocol import Cells, LabelMethod
from scgnn_tools.labels._registry import METHODS, label_method
from scgnn_tools.metrics import annotation
from scgnn_tools.splits import split_cells


@dataclass(frozen=True)
class Result:
    """What a run says of the query and of itself.

    Attributes
    ----------
    proba
        Calibrated probabilities, float32 (n_query, n_classes).
    unknown
        Cells unlike the reference, bool (n_query,).
    evaluation
        One row a method, the baselines included, scored on the same held-out cells.
    verdict
        The method against its best baseline, in words.
    """

    classes: np.ndarray
    proba: np.ndarray
    unknown: np.ndarray
    evaluation: pd.DataFrame
    verdict: str


def run(
    labelled: Cells,
    labels: np.ndarray,
    query: Cells,
    *,
    method: str,
    reject: bool = True,
    unlabeled: np.ndarray | None = None,
    rng: RNG = 0,
    options: dict[str, Any] | None = None,
) -> Result:
    """Annotate a query.

    70 % of the labelled cells train, 15 % stop the training and set the temperature, 15 % are scored. The model that labels
    the query is then trained again with the scored cells among the training cells.

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
    """
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        msg = f"Annotation needs at least two classes; the labels hold {len(classes)}: {', '.join(map(printable, classes))}."
        raise LabelError(msg)
    number = seed(rng)
    part, alone = split_cells(codes, rng=number)
    if len(alone):
        names = ", ".join(printable(classes[c]) for c in alone)
        msg = f"{len(alone)} classes have a single labelled cell, which trains and is never scored: {names}."
        warnings.warn(msg, SgtWarning, stacklevel=4)
    train, validation, test = (np.flatnonzero(part == p) for p in range(3))
    fold = _Fold(labelled, codes, train, validation, None, number)
    scored = labelled.take(test)
    shown = [method, *(n for n, e in METHODS.items() if e.always and n != method)]
    seen = None if unlabeled is None else query.take(unlabeled)
    rows = {}
    for name in shown:
        own = name == method
        with_query = replace(fold, unlabeled=scored.beside(seen)) if own and seen is not None else fold
        rows[name] = _score(name, with_query, scored, codes[test], options if own else None)
    evaluation = pd.DataFrame.from_dict(rows, orient="index")
    whole = replace(fold, train=np.sort(np.concatenate([train, test])), unlabeled=seen)
    fitted, temperature = _fit(method, whole, options)
    proba = np.exp(log_proba(fitted.scores(query), temperature)).astype(np.float32)
    unknown = np.zeros(len(query), dtype=bool)
    if reject:
        held_out = labelled.take(np.concatenate([validation, test]))
        unknown = Novelty().fit(labelled.take(train), codes[train], held_out).unknown(query)
    return Result(classes, proba, unknown, evaluation, verdict(evaluation, method))


@dataclass(frozen=True)
class _Fold:
    """Who trains, who steers the training, who may be looked at without a label."""

    cells: Cells
    codes: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    unlabeled: Cells | None
    rng: int


def _fit(method: str, fold: _Fold, options: dict[str, Any] | None) -> tuple[LabelMethod, float]:
    held_out, codes = fold.cells.take(fold.validation), fold.codes[fold.validation]
    fitted = label_method(method, **(options or {})).fit(
        fold.cells.take(fold.train),
        fold.codes[fold.train],
        held_out,
        codes,
        unlabeled=fold.unlabeled,
        rng=fold.rng,
    )
    return fitted, fit_temperature(fitted.scores(held_out), codes) if len(codes) else 1.0


def _score(
    method: str, fold: _Fold, scored: Cells, codes: np.ndarray, options: dict[str, Any] | None
) -> dict[str, Any]:
    start = time.perf_counter()
    fitted, temperature = _fit(method, fold, options)
    if len(codes) == 0:
        metrics = annotation(np.array([]), np.array([]))
    else:
        proba = np.exp(log_proba(fitted.scores(scored), temperature))
        metrics = annotation(codes, proba.argmax(axis=1), proba.max(axis=1))
    seconds = time.perf_counter() - start
    return {"kind": METHODS[method].kind, **metrics, "temperature": temperature, "seconds": seconds}


def verdict(evaluation: pd.DataFrame, method: str) -> str:
    """Say whether a method beats, ties with or loses to its best baseline; a tie is within one standard error."""
    others = evaluation.drop(index=method)
    others = others[others["kind"] == "baseline"]
    own = evaluation.loc[method]
    if not own["n"] or others.empty:
        return f"{method}: too few labelled cells to score any method"
    best = others["accuracy"].idxmax()
    difference = own["accuracy"] - others.loc[best, "accuracy"]
    error = float(np.sqrt(max(own["accuracy"] * (1 - own["accuracy"]), 1e-4) / own["n"]))
    word = "ties with" if abs(difference) <= error else "beats" if difference > 0 else "loses to"
    return (
        f"{method} {word} the best baseline on {int(own['n']):,} held-out labelled cells: accuracy {own['accuracy']:.3f}, "
        f"{best} {others.loc[best, 'accuracy']:.3f}"
    )
