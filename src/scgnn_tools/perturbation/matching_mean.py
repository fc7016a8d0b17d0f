"""``matching_mean``: the mean of the training perturbations that share the condition, its nearest dose, or its genes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition, dose_of, genes_of
from scgnn_tools.perturbation._protocol import Effects


class MatchingMean:
    """Baseline: the same condition where other groups saw it, or its nearest dose; else the mean of its single ones; else of all."""

    history = None

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn the mean of each condition."""
        self.notes: dict[str, Any] = {}
        self._mean = seen.changes.mean(axis=0)
        self._of = by_condition(seen)

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the changes, (n_conditions, n_genes)."""
        return np.stack([self._one(c) for c in conditions])

    def _one(self, condition: Condition) -> np.ndarray:
        if condition in self._of:
            return self._of[condition]
        others = [c for c in self._of if genes_of(c) == genes_of(condition)]
        if others:  # at another dose
            return self._of[min(others, key=lambda c: abs(np.log(_dose(c) / _dose(condition))))]
        singles = [self._of[(g,)] for g in condition if (g,) in self._of]
        return np.mean(singles, axis=0) if singles else self._mean


def _dose(condition: Condition) -> float:
    return dose_of(condition[0]) or 1.0


def by_condition(seen: Effects) -> dict[Condition, np.ndarray]:
    """Return the mean change of each condition over the groups that saw it."""
    rows: dict[Condition, list[int]] = {}
    for i, condition in enumerate(seen.conditions):
        rows.setdefault(condition, []).append(i)
    return {c: seen.changes[i].mean(axis=0) for c, i in rows.items()}
