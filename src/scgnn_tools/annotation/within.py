"""Trained and scored on cells of the same experiments: 70 % train, 15 % steer, 15 % are scored."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from scgnn_tools.annotation import report
from scgnn_tools.annotation.conformal import ConformalSets, Kind
from scgnn_tools.annotation.fitting import FittedMethod, Fold, Outcome, baselines, fit, row_of
from scgnn_tools.annotation.parts import rows_of_parts, scores_of_parts
from scgnn_tools.labels import Cells


def within(
    method: str,
    fold: Fold,
    test: np.ndarray,
    options: dict[str, Any] | None,
    *,
    coverage: float | None,
    conformal: Kind,
) -> Outcome:
    """Score the method and its baselines on held-out cells, then train it once more with them.

    After Ctrl-C nothing more is trained: what has been scored labels the query.

    Parameters
    ----------
    method, options
        Name in ``METHODS``, and what it is made with.
    fold
        Who trains and steers; the baselines do not see its unlabelled cells.
    test
        Positions of the cells that are scored; where training sees unlabelled cells, they are among these.
    coverage, conformal
        Of the sets, as for :class:`ConformalSets`; None makes none.
    """
    scored, codes, seen = fold.cells.take(test), fold.codes[test], fold.unlabeled
    plain = replace(fold, unlabeled=None)
    row, first, proba = _score(
        method, fold if seen is None else replace(fold, unlabeled=scored.beside(seen)), scored, codes, options
    )
    rows = {method: row} | rows_of_parts(method, scores_of_parts(method, first.method, scored), codes)
    final, interrupted = first, first.interrupted
    alone = (
        not len(codes) and seen is None
    )  # no class has a second cell: there is nothing to score, and all of them have trained
    try:
        for name in [] if alone else baselines(method):
            other, _, theirs = _score(name, plain, scored, codes, None)
            rows[name] = other | report.difference(proba, theirs, codes)
        if not (interrupted or alone):
            again = fit(method, replace(fold, train=np.concatenate([fold.train, test])), options)
            interrupted = again.interrupted
            final = first if interrupted else again
    except KeyboardInterrupt:
        interrupted = True
    held_out, own = fold.cells.take(fold.validation), fold.codes[fold.validation]
    sets, promised = None, {}
    if coverage is not None:
        of_first = ConformalSets(coverage, conformal).fit(first.proba(held_out), own)
        promised = report.promise(of_first, of_first.sets(proba), codes, len(own))
        sets = ConformalSets(coverage, conformal).fit(final.proba(held_out), own)
    return Outcome(final, sets, promised, rows, proba, codes, "cells", interrupted)


def _score(
    method: str, fold: Fold, scored: Cells, codes: np.ndarray, options: dict[str, Any] | None
) -> tuple[dict[str, Any], FittedMethod, np.ndarray]:
    start = time.perf_counter()
    fitted = fit(method, fold, options)
    proba = fitted.proba(scored) if len(codes) else np.zeros((0, int(fold.codes.max()) + 1), dtype=np.float32)
    return row_of(method, proba, codes, fitted.temperature, start), fitted, proba
