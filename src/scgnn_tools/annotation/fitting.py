"""One training and its score on cells that it did not see."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools.annotation.conformal import ConformalSets
from scgnn_tools.annotation.labeller import calibrated
from scgnn_tools.labels import METHODS, Cells, Interruptible, LabelMethod, label_method, train_size
from scgnn_tools.labels.temperature import fit_temperature
from scgnn_tools.metrics import annotation


@dataclass(frozen=True)
class FittedMethod:
    """A trained method and what its scores are divided by."""

    method: LabelMethod
    temperature: float
    interrupted: bool

    def proba(self, cells: Cells) -> np.ndarray:
        """Return calibrated probabilities, float32 (n_cells, n_classes)."""
        return calibrated(self.method.scores(cells), self.temperature)


@dataclass(frozen=True)
class Fold:
    """Who trains, who steers the training, who may be looked at without a label.

    Attributes
    ----------
    cells, codes
        Labelled cells and the class of each, int (n_cells,); every class from 0 on has a cell that trains.
    train, validation
        Positions.
    unlabeled
        Cells that may be looked at; None for none.
    rng
        Seed of the training.
    """

    cells: Cells
    codes: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    unlabeled: Cells | None
    rng: int


@dataclass(frozen=True)
class Outcome:
    """What came of a training and its evaluation.

    Attributes
    ----------
    final
        The method that labels.
    sets, promised
        Sets of labels with their thresholds, None and empty if none were asked for, and what they promise and did.
    rows
        Of the evaluation, by method.
    proba, codes
        Of the method on the held-out cells, (n_held_out, n_classes) and (n_held_out,).
    held_out
        "cells" or "experiments".
    interrupted
        Whether Ctrl-C ended the work early.
    """

    final: FittedMethod
    sets: ConformalSets | None
    promised: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    proba: np.ndarray
    codes: np.ndarray
    held_out: str
    interrupted: bool


def validation_share(method: str, options: Mapping[str, Any] | None) -> float:
    """Return the share of the labelled cells that validate a method made with these options."""
    return round(1 - train_size(method, options or {}), 6)


def check_expressed(labelled: Cells) -> None:
    """Refuse labelled cells of which nothing is known: no value, and no vector."""
    if labelled.expression.nnz == 0 and not labelled.embedding.any():
        msg = (
            f"The matrix of the {len(labelled):,} labelled cells is all zero: there is nothing to learn from. "
            "Pass layer= for another matrix, or use_rep= for vectors of the cells."
        )
        raise InputValueError(msg)


def fit(method: str, fold: Fold, options: dict[str, Any] | None) -> FittedMethod:
    """Train a method; the validation cells set its temperature."""
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
    return FittedMethod(fitted, fit_temperature(fitted.scores(held_out), codes) if len(codes) else 1.0, stopped)


def baselines(method: str) -> Iterator[str]:
    """Yield the methods that are scored beside another."""
    yield from (n for n, e in METHODS.items() if e.always and n != method)


def row_of(method: str, proba: np.ndarray, codes: np.ndarray, temperature: float, start: float) -> dict[str, Any]:
    """Return a row of an evaluation; ``start`` is what the clock was when its training began."""
    metrics = (
        annotation(codes, proba.argmax(axis=1), proba.max(axis=1))
        if len(codes)
        else annotation(np.array([]), np.array([]))
    )
    seconds = time.perf_counter() - start
    return {"kind": METHODS[method].kind, **metrics, "temperature": temperature, "seconds": seconds}
