"""Trained and scored as it is used: each experiment in turn is asked about by who knows only the others."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools.annotation import report
from scgnn_tools.annotation.conformal import ConformalSets, Kind
from scgnn_tools.annotation.fitting import Fold, Outcome, baselines, fit, row_of, validation_share
from scgnn_tools.annotation.labeller import calibrated
from scgnn_tools.annotation.parts import rows_of_parts, scores_of_parts
from scgnn_tools.labels.temperature import fit_temperature
from scgnn_tools.splits import split_cells
from scgnn_tools.splits.cells import TRAIN, VALIDATION

MOST_FOLDS = 5
"""Trainings at most; more experiments than that are held out some at a time."""
FEWEST = 20
"""Cells of an experiment that others know the classes of, from which on it is held out."""
NEVER = -700.0
"""Log-probability, relative to the likeliest, of a class that training did not hold."""


@dataclass(frozen=True)
class Holdout:
    """Experiments that are held out, and what the others can be asked about them.

    Attributes
    ----------
    others
        Positions of the cells that train and steer.
    asked
        Positions of the held-out cells whose class the others hold.
    """

    others: np.ndarray
    asked: np.ndarray


def renumbered(experiments: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the experiments numbered as they come in an order of the cells, int (n_cells,)."""
    out = np.empty(len(experiments), dtype=np.int64)
    out[order] = pd.factorize(experiments[order])[0]
    return out


def holdouts(codes: np.ndarray, experiments: np.ndarray) -> list[Holdout]:
    """Return which experiments are held out in turn; none where no class is in two of them."""
    names, size = np.unique(experiments, return_counts=True)
    group_of = dict(zip(names[np.argsort(-size, kind="stable")], np.arange(len(names)) % MOST_FOLDS, strict=True))
    group = np.array([group_of[e] for e in experiments])
    out = []
    for one in np.unique(group):
        own, others = np.flatnonzero(group == one), np.flatnonzero(group != one)
        asked = own[np.isin(codes[own], codes[others])]
        if len(asked) >= FEWEST and len(np.unique(codes[others])) > 1:
            out.append(Holdout(others, asked))
    return out


def across(
    method: str,
    fold: Fold,
    folds: list[Holdout],
    options: dict[str, Any] | None,
    *,
    coverage: float | None,
    conformal: Kind,
) -> Outcome:
    """Train on all experiments, then score the method and its baselines on each that the others were trained without.

    The held-out cells of all experiments together set the temperature and the thresholds of the sets; what is said of those of one
    experiment rests on the others alone. After Ctrl-C nothing more is trained.

    Parameters
    ----------
    method, options, coverage, conformal
        As for :func:`~scgnn_tools.annotation.within.within`.
    fold
        Who trains and steers in the end.
    folds
        What is held out in turn.
    """
    final = fit(method, fold, options)
    asked = np.concatenate([f.asked for f in folds])
    codes, turn = fold.codes[asked], np.repeat(np.arange(len(folds)), [len(f.asked) for f in folds])
    rows: dict[str, dict[str, Any]] = {}
    n_classes, interrupted = int(fold.codes.max()) + 1, final.interrupted
    scores = proba = np.zeros((0, n_classes), dtype=np.float32)
    try:
        for name in [] if interrupted else [method, *baselines(method)]:
            start = time.perf_counter()
            given = options if name == method else None
            answers, parts = zip(*(_asked(name, fold, one, given, own=name == method) for one in folds), strict=True)
            theirs = np.concatenate(answers)
            of_name = _in_turn(theirs, codes, turn)
            row = row_of(name, of_name, codes, fit_temperature(theirs, codes), start)
            if name == method:
                scores, proba, rows[name] = theirs, of_name, row
                rows |= rows_of_parts(name, {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, codes)
            else:
                rows[name] = row | report.difference(proba, of_name, codes)
            rows[name]["lowest_accuracy"] = _lowest(of_name, codes, turn)
    except KeyboardInterrupt:
        interrupted = True
    if method not in rows:
        nothing = np.zeros(0, dtype=np.int64)
        rows[method] = row_of(method, proba[:0], nothing, final.temperature, time.perf_counter())
        sets = None if coverage is None else ConformalSets(coverage, conformal).fit(proba[:0], nothing)
        return Outcome(final, sets, {}, rows, proba[:0], nothing, "experiments", interrupted)
    final = replace(final, temperature=fit_temperature(scores, codes))
    sets, promised = None, {}
    if coverage is not None:
        sets = ConformalSets(coverage, conformal).fit(calibrated(scores, final.temperature), codes)
        inside = np.zeros(proba.shape, dtype=bool)
        for one in np.unique(turn):
            rest = turn != one if len(folds) > 1 else turn == one
            inside[turn == one] = (
                ConformalSets(coverage, conformal).fit(proba[rest], codes[rest]).sets(proba[turn == one])
            )
        promised = report.promise(sets, inside, codes, len(codes))
    return Outcome(final, sets, promised, rows, proba, codes, "experiments", interrupted)


def _asked(
    method: str, fold: Fold, one: Holdout, options: dict[str, Any] | None, *, own: bool
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the scores of held-out cells from who was trained on the other experiments, and those of its parts, (n_asked, n_classes)."""
    classes, codes = np.unique(fold.codes[one.others], return_inverse=True)
    part, _ = split_cells(codes, validation=validation_share(method, options), test=0, rng=fold.rng)
    cells, scored = fold.cells.take(one.others), fold.cells.take(one.asked)
    seen = scored.beside(fold.unlabeled) if own and fold.unlabeled is not None else None
    at = Fold(cells, codes, np.flatnonzero(part == TRAIN), np.flatnonzero(part == VALIDATION), seen, fold.rng)
    fitted = fit(method, at, options).method
    n_classes = int(fold.codes.max()) + 1

    def over_all(scores: np.ndarray) -> np.ndarray:
        out = np.full((len(scored), n_classes), NEVER)
        out[:, classes] = np.maximum(scores - scores.max(axis=1, keepdims=True), NEVER)
        return out

    parts = scores_of_parts(method, fitted, scored) if own else {}
    return over_all(fitted.scores(scored)), {k: over_all(v) for k, v in parts.items()}


def _in_turn(scores: np.ndarray, codes: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return probabilities of the cells of each turn at the temperature that the cells of the other turns give."""
    out = np.zeros(scores.shape, dtype=np.float32)
    for one in np.unique(turn):
        rest = turn != one if turn.max() > 0 else turn == one
        out[turn == one] = calibrated(scores[turn == one], fit_temperature(scores[rest], codes[rest]))
    return out


def _lowest(proba: np.ndarray, codes: np.ndarray, turn: np.ndarray) -> float:
    right = proba.argmax(axis=1) == codes
    return float(min(right[turn == one].mean() for one in np.unique(turn)))
