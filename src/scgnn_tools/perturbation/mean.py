"""``mean``: every perturbation does what perturbations do on average (the non-control mean of Systema)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition
from scgnn_tools.perturbation._protocol import Effects


class Mean:
    """Baseline: the mean change of the training perturbations; on Norman's screen it equals published networks."""

    history = None

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn the mean."""
        self.notes: dict[str, Any] = {}
        self._mean = seen.changes.mean(axis=0)

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return it, once a condition."""
        return np.tile(self._mean, (len(conditions), 1))
