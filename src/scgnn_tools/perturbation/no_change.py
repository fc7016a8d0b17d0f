"""``no_change``: the cells stay as they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition
from scgnn_tools.perturbation._protocol import Effects


class NoChange:
    """Baseline: a perturbation does nothing."""

    history = None

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn how many genes there are."""
        self.notes: dict[str, Any] = {}
        self._n_genes = seen.changes.shape[1]

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return zeros."""
        return np.zeros((len(conditions), self._n_genes))
