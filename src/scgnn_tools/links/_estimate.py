"""How long an inference will take, said before it begins: the method timed on a small part of the job."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from scgnn_tools._random import generator
from scgnn_tools.links._registry import PREDICTORS
from scgnn_tools.links._run import Inputs, fit, missing
from scgnn_tools.links._score import score_matrix

SHARE, LEAST = 1 / 16, 50
"""Part of the genes that is timed, but at least so many of them."""


def estimate(
    inputs: Inputs,
    method: str,
    tfs: np.ndarray,
    *,
    n_fits: int,
    rng: int,
    options: dict[str, Any],
    clock: Callable[[], float] = time.perf_counter,
) -> float | None:
    """Return about how many seconds ``n_fits`` trainings on all pairs, the scoring of all factors × genes, and the baselines take.

    A part is drawn by gene, with all pairs of the targets that are drawn; its time counts as often as it fits into the whole. A network
    that stops early on the part and late on the whole takes longer than that. None if the part holds one label only.
    """
    targets = np.unique(inputs.pairs["target"].to_numpy(dtype=object))
    order, genes = generator(rng).permutation(targets), generator(rng).permutation(inputs.genes)
    share = min(0.5, max(SHARE, LEAST / len(targets)))
    times = {n: 1 for n, e in PREDICTORS.items() if e.always and not missing(n, inputs)} | {method: n_fits}
    total = 0.0
    for size in (share / 2, share):  # the first loads what the methods need, the second counts
        pairs = inputs.pairs[inputs.pairs["target"].isin(order[: max(1, round(size * len(order)))])]
        if pairs["label"].nunique() < 2:
            return None
        some = genes[: max(1, round(size * len(genes)))]
        part = replace(inputs, pairs=pairs, genes=np.union1d(some, tfs))
        total = 0.0
        for name, n in times.items():
            begin = clock()
            fitted = fit(name, part, pairs, None, rng, **(options if name == method else {}))
            score_matrix(fitted.score, name, tfs, some)
            total += n * (clock() - begin) / size
    return total
