"""``additive``: two genes together do what each does alone, added."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition
from scgnn_tools.perturbation._protocol import Effects
from scgnn_tools.perturbation.matching_mean import by_condition


class Additive:
    """Baseline: control + Σ (single − control); the bar for combinations. A gene that nobody saw alone adds the mean change."""

    history = None

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn the change of each single gene."""
        self.notes: dict[str, Any] = {}
        self._mean = seen.changes.mean(axis=0)
        self._of = {c[0]: change for c, change in by_condition(seen).items() if len(c) == 1}

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the sums, (n_conditions, n_genes)."""
        return np.stack([np.sum([self._of.get(g, self._mean) for g in c], axis=0) for c in conditions])
