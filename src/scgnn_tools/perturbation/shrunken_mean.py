"""``shrunken_mean``: part of the mean change; how much of it says leave-one-out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition
from scgnn_tools.perturbation._protocol import Effects


class ShrunkenMean:
    """Baseline: control + w (mean − control), w between 0 and 1 by the least squares of each perturbation from the mean of the others."""

    history = None

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn the mean and its weight."""
        self._change, weight = shrunken_mean(seen.changes)
        self.notes: dict[str, Any] = {"weight": weight}

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the shrunken mean, once a condition."""
        return np.tile(self._change, (len(conditions), 1))


def shrunken_mean(changes: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the shrunken mean of changes (n, n_genes), and its weight; a single change is left as it is."""
    n = len(changes)
    if n < 2:
        return changes.mean(axis=0), 1.0
    others = (changes.sum(axis=0) - changes) / (n - 1)
    size = float((others**2).sum())
    weight = float(np.clip((others * changes).sum() / size, 0, 1)) if size > 0 else 0.0
    return weight * changes.mean(axis=0), weight
