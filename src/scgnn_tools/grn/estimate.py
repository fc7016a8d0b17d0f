"""How long an inference will take, said before it begins: the method timed on a small part of the job."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from scgnn_tools._random import generator
from scgnn_tools.grn.inputs import LinkInputs, fit, missing
from scgnn_tools.grn.runs import score_matrix
from scgnn_tools.links import PREDICTORS

SHARE, LEAST = 1 / 16, 50
"""Part of the genes that is timed, but at least so many of them."""

ENOUGH = 3.0
"""Seconds that are long enough to tell."""

QUICK = 5.0
"""Seconds of trainings that are not worth timing twice."""


def estimate(
    inputs: LinkInputs,
    method: str,
    tfs: np.ndarray,
    *,
    n_fits: int,
    rng: int,
    options: dict[str, Any],
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """Return about how many seconds ``n_fits`` trainings on all pairs, the scoring of all factors × genes, and the baselines take.

    Parts are drawn by gene, with all pairs of the targets that are drawn, each twice the one before, until one takes three seconds or is a
    sixteenth of the whole; see :func:`_whole`. A network that stops early on them and late on the whole takes longer than that. None if
    the parts hold one label only.
    """
    targets = np.unique(inputs.pairs["target"].to_numpy(dtype=object))
    order, genes = generator(rng).permutation(targets), generator(rng).permutation(inputs.genes)
    largest = min(0.5, max(SHARE, LEAST / len(targets)))

    def spend(name: str, size: float) -> float | None:
        pairs = inputs.pairs[inputs.pairs["target"].isin(order[: max(1, round(size * len(order)))])]
        if pairs["label"].nunique() < 2:
            return None
        some = genes[: max(1, round(size * len(genes)))]
        part = replace(inputs, pairs=pairs, genes=np.union1d(some, tfs))
        begin = clock()
        fitted = fit(name, part, pairs, None, rng, **(options if name == method else {}))
        score_matrix(fitted.score, name, tfs, some)
        return clock() - begin

    total = 0.0
    for name, n in (
        {n: 1 for n, e in PREDICTORS.items() if e.always and not missing(n, inputs, {})} | {method: n_fits}
    ).items():
        before = now = None
        for size in largest / 2.0 ** np.arange(4 if name == method else 0, -1, -1):  # baselines are quick
            before, now = now, spend(name, size)
            if before is None or now is None:
                continue
            if now > ENOUGH or n * _whole(before, now, size, complete=False) < QUICK:
                break
        if now is None:
            return None
        total += n * _whole(now if before is None else before, now, size, complete=size == largest)
    return total


def _whole(half: float, full: float, share: float, *, complete: bool) -> float:
    """Return the time of all genes: on the line through the times of two parts, the second twice the first.

    If the second is all that would be tried, it is at least half of what grows from nothing: the line alone would trust that the first part
    needed longer for what is done once, or stopped later.
    """
    line = full + (full - half) / (share / 2) * (1 - share)
    return max(line, full, 0.5 * full / share if complete else 0.0)
