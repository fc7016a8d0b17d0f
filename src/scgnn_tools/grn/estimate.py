"""How long an inference will take, said before it begins: the method timed on a small part of the job."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from scgnn_tools._random import generator
from scgnn_tools.grn.inputs import LinkInputs, fit, missing, stop_if_interrupted
from scgnn_tools.grn.runs import score_matrix
from scgnn_tools.links import PREDICTORS

SHARE, LEAST = 1 / 16, 50
"""Part of the genes that is timed, but at least so many of them."""

ENOUGH = 3.0
"""Seconds that are long enough to tell."""

SQUARE = 768
PASSES, PASSES_CONTROLS, PASSES_GROUPS = 6.0, 7.0, 3.0
"""Side of the matrices that are multiplied to time it, and how many products of that kind the cells' side is worth."""

QUICK = 5.0
"""Seconds of trainings that are not worth timing twice."""


def estimate(
    inputs: LinkInputs,
    method: str,
    tfs: np.ndarray,
    *,
    n_fits: int,
    n_scored: int,
    blind: bool = False,
    rng: int,
    options: dict[str, Any],
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """Return about how many seconds ``n_fits`` trainings take, ``n_scored`` of which score all factors × genes, and the baselines.

    Parts are drawn by gene, with all pairs of the targets that are drawn, each twice the one before, until one takes three seconds or is a
    sixteenth of the whole; see :func:`_whole`. Training and scoring are timed apart: what is evaluated scores a few pairs alone, and so do
    the baselines. A network that stops early on them and late on the whole takes longer than that. With ``blind`` the method gets no
    expression. None if the parts hold one label only.
    """
    targets = np.unique(inputs.pairs["target"].to_numpy(dtype=object))
    order, genes = generator(rng).permutation(targets), generator(rng).permutation(inputs.genes)
    largest = min(0.5, max(SHARE, LEAST / len(targets)))

    def spend(name: str, size: float, *, scored: bool) -> np.ndarray | None:
        """Return the seconds of a training and of the scoring of a part."""
        pairs = inputs.pairs[inputs.pairs["target"].isin(order[: max(1, round(size * len(order)))])]
        if pairs["label"].nunique() < 2:
            return None
        some = genes[: max(1, round(size * len(genes)))]
        part = replace(inputs, pairs=pairs, genes=np.union1d(some, tfs))
        part = replace(part, expression=None) if blind and name == method else part
        begin = clock()
        fitted = fit(name, part, pairs, None, rng, **(options if name == method else {}))
        stop_if_interrupted(name, fitted)
        middle = clock()
        if not scored:
            return np.array([middle - begin, 0.0])
        score_matrix(fitted.score, name, tfs, some)
        return np.array([middle - begin, clock() - middle])

    total = 0.0
    others = {n for n, e in PREDICTORS.items() if e.always and not missing(n, inputs, {})} - {method}
    for name, times in [*((n, np.array([1, 0])) for n in sorted(others)), (method, np.array([n_fits, n_scored]))]:
        before = now = None
        for size in largest / 2.0 ** np.arange(4 if name == method else 0, -1, -1):  # baselines are quick
            before, now = now, spend(name, size, scored=bool(times[1]))
            if before is None or now is None:
                continue
            if now.sum() > ENOUGH or times @ _each(before, now, size, complete=False) < QUICK:
                break
        if now is None:
            return None
        total += float(times @ _each(now if before is None else before, now, size, complete=size == largest))
    return total


def of_cells(
    n_cells: int,
    n_tfs: int,
    n_genes: int,
    *,
    controls: bool,
    groups: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return about how many seconds the cells' side takes: so many products of cells × factors with cells × genes."""
    some = np.ones((SQUARE, SQUARE), dtype=np.float32)
    some @ some  # threads begin
    begin = clock()
    some @ some
    of_one = (clock() - begin) / SQUARE**3
    return of_one * (PASSES + PASSES_CONTROLS * controls + PASSES_GROUPS * groups) * n_cells * n_tfs * n_genes


def _each(half: np.ndarray, full: np.ndarray, share: float, *, complete: bool) -> np.ndarray:
    return np.array([_whole(h, f, share, complete=complete) for h, f in zip(half, full, strict=True)])


def _whole(half: float, full: float, share: float, *, complete: bool) -> float:
    """Return the time of all genes: on the line through the times of two parts, the second twice the first.

    If the second is all that would be tried, it is at least half of what grows from nothing: the line alone would trust that the first part
    needed longer for what is done once, or stopped later.
    """
    line = min(full + (full - half) / (share / 2) * (1 - share), full / share)  # times of small parts are noisy
    return max(line, full, 0.5 * full / share if complete else 0.0)
