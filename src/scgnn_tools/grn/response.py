"""Whether the targets of a factor are what changes where it is perturbed: no known network is needed for that, only perturbed cells."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator
from scgnn_tools.grn.evidence import moments
from scgnn_tools.grn.heldout import rewired
from scgnn_tools.metrics import energy_distance

LEVELS, LEAST_TARGETS = 10, 5
"""Levels of expression within which genes are compared, and targets of a factor below which nothing is said of it."""

MOST_CELLS = 500
"""Cells on either side of an energy distance."""


class Regulons(NamedTuple):
    """Edges, the number of the factor and the column of the target of each."""

    factor: np.ndarray
    target: np.ndarray

    def of(self, factor: int) -> np.ndarray:
        """Return the targets of a factor."""
        return np.unique(self.target[self.factor == factor])


def response(
    x: sp.csr_array,
    control: np.ndarray,
    perturbed: Mapping[int, np.ndarray],
    own: np.ndarray,
    networks: Mapping[str, Regulons],
    *,
    n_shuffles: int = 100,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Compare how far the targets of each perturbed factor move with how far other genes of like expression do.

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_genes).
    control
        Rows of the control cells.
    perturbed
        Number of a factor -> rows of the cells in which it was perturbed.
    own
        Column of each factor, -1 for one that is not measured; a factor is no target of itself.
    networks
        Regulons by name.
    n_shuffles
        Rewired networks, and draws of as many other genes for the energy distance.
    rng
        Seed.

    Returns
    -------
    DataFrame
        A row a network and factor that has 5 targets: ``network``, ``factor``, ``n_cells``, ``n_targets``; ``auroc``, the share of other
        genes of like expression that a target moves further than (Welch's t, without its sign); ``rewired``, its mean in rewired
        networks, and ``p``, the share of these that reach it (both NaN for a network of one factor, which cannot be rewired);
        ``e_distance`` between perturbed and control cells over the targets, ``e_others``, its mean over as many other genes of like
        expression.
    """
    rng = generator(rng)
    level = _levels(np.asarray(x[control].mean(axis=0)).ravel())
    base, rows = _summary(x[control]), []
    moved = {f: np.abs(_welch(_summary(x[cells]), base)) for f, cells in perturbed.items()}
    for name, edges in networks.items():
        apart = edges.target != own[edges.factor]
        edges = Regulons(edges.factor[apart], edges.target[apart])
        told = [f for f in perturbed if len(edges.of(f)) >= LEAST_TARGETS]
        null: dict[int, list[float]] = {f: [] for f in told}
        alone = len(np.unique(edges.factor)) < 2  # there is nothing to swap its targets with
        for _ in range(n_shuffles if told and not alone else 0):
            other = Regulons(*rewired(*edges, rng=rng))
            for f in told:
                null[f].append(_outranked(moved[f], other.of(f), level, own[f]))
        for f in told:
            targets = edges.of(f)
            auroc, rest = _outranked(moved[f], targets, level, own[f]), np.array(null[f])
            near, far = _distances(x, perturbed[f], control, targets, level, own[f], rng)
            rows.append({
                "network": name, "factor": f, "n_cells": len(perturbed[f]), "n_targets": len(targets), "auroc": auroc,
                "rewired": float(np.nanmean(rest)) if len(rest) else np.nan,
                "p": (1 + int((rest >= auroc).sum())) / (1 + len(rest)) if len(rest) else np.nan, "e_distance": near, "e_others": far,
            })  # fmt: skip
    columns = ["network", "factor", "n_cells", "n_targets", "auroc", "rewired", "p", "e_distance", "e_others"]
    return pd.DataFrame(rows, columns=columns)


def _levels(mean: np.ndarray) -> np.ndarray:
    """Return the level of expression of each gene: as many genes in each; -1 for a gene that no control cell expresses."""
    out = np.full(len(mean), -1, dtype=np.int64)
    there = np.flatnonzero(mean > 0)
    out[there[np.argsort(mean[there], kind="stable")]] = np.arange(len(there)) * LEVELS // max(1, len(there))
    return out


def _summary(x: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and squared standard error of each gene."""
    mean, deviation = moments(x)
    return mean, deviation**2 / max(1, x.shape[0] - 1)


def _welch(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    error = np.sqrt(a[1] + b[1])
    return np.divide(a[0] - b[0], error, out=np.zeros_like(error), where=error > 0)


def _outranked(moved: np.ndarray, targets: np.ndarray, level: np.ndarray, own: int) -> float:
    """Return the share of other genes of its level that a target moves further than, mean over targets; NaN without any."""
    is_target = np.zeros(len(moved), dtype=bool)
    is_target[targets] = True
    other = ~is_target
    if own >= 0:  # what is done to the factor itself says nothing of its targets
        is_target[own] = other[own] = False
    shares = []
    for lev in np.unique(level[targets][level[targets] >= 0]):
        rest = np.sort(moved[other & (level == lev)])
        mine = moved[is_target & (level == lev)]
        if len(rest):
            low, high = np.searchsorted(rest, mine, "left"), np.searchsorted(rest, mine, "right")
            shares.append((low + high) / (2 * len(rest)))
    return float(np.concatenate(shares).mean()) if shares else float("nan")


def _distances(
    x: sp.csr_array, cells: np.ndarray, control: np.ndarray, targets: np.ndarray, level: np.ndarray, own: int,
    rng: np.random.Generator, *, draws: int = 10,
) -> tuple[float, float]:  # fmt: skip
    """Return the energy distance over the targets, and its mean over draws of as many other genes of like expression."""
    a, b = (np.sort(rng.permutation(some)[:MOST_CELLS]) for some in (cells, control))
    if min(len(a), len(b)) < 2:
        return float("nan"), float("nan")
    here, there = sp.csc_array(x[a]), sp.csc_array(x[b])
    pool = np.setdiff1d(np.flatnonzero(level >= 0), np.append(targets, own))
    near, _ = energy_distance(here[:, targets].toarray(), there[:, targets].toarray())
    far = []
    for _ in range(draws):
        some = [
            _drawn(pool[level[pool] == lev], int((level[targets] == lev).sum()), rng)
            for lev in np.unique(level[targets])
        ]
        other = np.concatenate(some)
        if len(other):
            far.append(energy_distance(here[:, other].toarray(), there[:, other].toarray())[0])
    return near, float(np.mean(far)) if far else float("nan")


def _drawn(pool: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(pool)[:n]
