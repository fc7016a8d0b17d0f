"""``counting``: how often and how much a gene changes, for all and for like targets, the prior network, and its level; stacked."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG, seed
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.logistic import Logistic, logit
from scgnn_tools.perturbation.bulk.nearest import alike
from scgnn_tools.perturbation.bulk.rates import Rates, class_centres, rates
from scgnn_tools.perturbation.bulk.two_step import classes, strong_shares

CHANGE = ("rate", "rate of like targets", "size", "size of like targets", "edge", "level")
UP = ("rate", "rate of like targets", "mean", "mean of like targets", "sign of the edge")
TINY = 1e-3


class Counting:
    """Two logistic regressions over counts: whether a gene changes, then which way.

    In training the own target of an experiment is left out of every count, as it is for a target that nobody saw. A knock-out of an
    activator lets its targets fall: the sign of the edge enters the second regression.
    """

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Count, and learn what the counts are worth."""
        self._found: Rates = rates(seen)
        own = seen.counts
        change, up = self._columns(seen)
        changed = seen.label[own] != seen.middle
        self._change = Logistic().fit(change[own], changed, rng=seed(rng))
        self._up = Logistic().fit(up[own][changed], seen.label[own][changed] > seen.middle, rng=seed(rng))
        self._strong, self._centres = strong_shares(seen), class_centres(seen)
        weights = {f"change: {n}": w for n, w in zip(CHANGE, self._change.weights, strict=True)}
        weights |= {f"up: {n}": w for n, w in zip(UP, self._up.weights, strict=True)}
        self.notes: dict[str, Any] = {k: float(v) for k, v in weights.items()}

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return the stacked classes."""
        change, up = self._columns(new)
        shape = change.shape[:2]
        p = self._change.predict(change.reshape(-1, change.shape[2])).reshape(shape)
        way = self._up.predict(up.reshape(-1, up.shape[2])).reshape(shape)
        out = classes(p, way, new.n_classes, self._strong)
        return out, out @ self._centres

    def _columns(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns of both regressions, (n, n_genes, 6) and (n, n_genes, 5)."""
        rest, like = self._found.all_but(new.target), alike(new, self._found.targets)
        everywhere = self._found.weighted(rest)
        near = self._found.weighted(like, prior=everywhere, strength=1.0)
        (mean, size), (near_mean, near_size) = (self._found.sizes(w) for w in (rest, like))
        middle = new.middle
        moved = [logit(1 - r[:, :, middle]) for r in (everywhere, near)]
        rising = [logit(_of_changed(r, middle)) for r in (everywhere, near)]
        level = np.zeros(moved[0].shape) if new.control is None else new.control
        edge = np.abs(new.edges).astype(np.float64)
        sign = np.where(np.abs(new.edges) == 1, -new.edges, 0).astype(np.float64)
        change = [*moved, np.log(size + TINY), np.log(near_size + TINY), edge, level]
        return np.stack(change, axis=2), np.stack(
            [*rising, mean / (size + TINY), near_mean / (size + TINY), sign], axis=2
        )


def _of_changed(rate: np.ndarray, middle: int) -> np.ndarray:
    """Return which share of a gene's changes is upwards."""
    up, down = rate[:, :, middle + 1 :].sum(axis=2), rate[:, :, :middle].sum(axis=2)
    return up / (up + down)
