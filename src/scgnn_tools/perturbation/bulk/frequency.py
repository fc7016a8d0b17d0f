"""``frequency``: genes that often change, change again, whatever is knocked out."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.rates import class_centres, rates


class Frequency:
    """Baseline: each gene's rate of each class over the training targets, shrunk to the rate over all genes."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Count."""
        self.notes: dict[str, Any] = {}
        found = rates(seen)
        self._rate = found.weighted(np.ones((1, len(found.targets))))[0]
        self._centres = class_centres(seen)

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return the rates, the same for every knock-out."""
        out = np.tile(self._rate, (len(new), 1, 1))
        return out, out @ self._centres
