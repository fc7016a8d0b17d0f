"""``kernel``: perturbed genes that are alike by what is known of them change cells alike; kernel ridge regression of the changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from scgnn_tools._choices import choice
from scgnn_tools._random import RNG, generator
from scgnn_tools.data.conditions import Condition
from scgnn_tools.perturbation._protocol import Effects
from scgnn_tools.perturbation.shrunken_mean import shrunken_mean

PENALTIES = np.logspace(-2, 3, 16)
"""λ over the mean noise of a change; the largest shrinks all but everything away, and ∞ is tried beside them."""

MOST = 1_500
"""Training conditions that are used; of more a random sample."""

LEAST_RELATED = 1e-8


@dataclass(frozen=True)
class _Fit:
    """A candidate: its name, kernel over genes, penalty (infinite for no change), leave-one-out error."""

    name: str
    kernel: np.ndarray
    penalty: float
    error: float


class Kernel:
    """Changes of like genes, weighted by how alike they are and by how well each was measured.

    Which source of relations, or which mean of several, and how much is shrunk, is chosen by leave-one-out within the training
    conditions, in closed form: e_i = r_i / (1 − H_ii). A condition that is like none of them gets the shrunken mean.

    Attributes
    ----------
    kept
        Positions of the training conditions that are used.
    left_out
        Change of each of them less what the others say of it, float64 (n_kept, n_genes).

    Parameters
    ----------
    centre
        What an unrelated perturbation is shrunk to: "control", or the "mean" of the training perturbations.
    """

    history = None

    def __init__(self, *, centre: str = "control") -> None:
        self.centre = choice("centre", centre, ("control", "mean"))

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Choose the kernel and the penalty, and solve."""
        self.kept = np.arange(len(seen))
        if len(seen) > MOST:
            self.kept = np.sort(generator(rng).choice(len(seen), MOST, replace=False))
            seen = seen.take(self.kept)
        self._seen = seen
        self._fallback, _ = shrunken_mean(seen.changes)
        self._centre = seen.changes.mean(axis=0) if self.centre == "mean" else np.zeros(seen.changes.shape[1])
        y = seen.changes - self._centre
        relative = seen.noise / seen.noise.mean() if seen.noise.mean() > 0 else np.ones(len(seen))
        found = [self._best(name, k, y, relative) for name, k in _candidates(seen.relations.kernels).items()]
        if not found:
            found = [self._best("same", seen.relations.identity(), y, relative)]
        self._chosen = min(found, key=lambda f: f.error)
        self.notes: dict[str, Any] = {"kernel": self._chosen.name, "penalty": float(self._chosen.penalty)}
        if np.isfinite(self._chosen.penalty):
            between = seen.relations.between(seen.conditions, seen.conditions, self._chosen.kernel)
            inverse = np.linalg.inv(between + np.diag(self._chosen.penalty * relative))
            self._dual = inverse @ y
            # what is left of each when it is left out
            self.left_out = self._dual / np.diag(inverse)[:, None]
        else:
            self._dual, self.left_out = np.zeros_like(y), y

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the changes, (n_conditions, n_genes)."""
        k = self._seen.relations.between(conditions, self._seen.conditions, self._chosen.kernel)
        out = k @ self._dual + self._centre
        out[self.unrelated(conditions)] = self._fallback
        return out

    def unrelated(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return which conditions are like no training condition, bool (n_conditions,)."""
        k = self._seen.relations.between(conditions, self._seen.conditions, self._chosen.kernel)
        return np.abs(k).max(axis=1) < LEAST_RELATED

    def _best(self, name: str, kernel: np.ndarray, y: np.ndarray, relative: np.ndarray) -> _Fit:
        """Return the penalty of the least leave-one-out error; with S^-½ K S^-½ = U Λ Uᵀ every λ costs a product."""
        between = self._seen.relations.between(self._seen.conditions, self._seen.conditions, kernel)
        root = np.sqrt(np.maximum(relative, 1e-6))
        value, vector = np.linalg.eigh(between / root[:, None] / root)
        rotated = vector.T @ (y / root[:, None])
        best = _Fit(name, kernel, float("inf"), float((y**2).mean()))
        for penalty in PENALTIES:
            keep = penalty / (np.maximum(value, 0) + penalty)  # of I − H, on the axes
            rest = (vector * keep) @ rotated * root[:, None]
            left = (vector**2) @ keep
            error = float(((rest / np.maximum(left, 1e-9)[:, None]) ** 2).mean())
            if error < best.error:
                best = _Fit(name, kernel, float(penalty), error)
        return best


def _candidates(kernels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return each kernel and each mean of several."""
    out = {}
    for n in range(1, len(kernels) + 1):
        for names in combinations(kernels, n):
            out[" + ".join(names)] = np.mean([kernels[k] for k in names], axis=0)
    return out
