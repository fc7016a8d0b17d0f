"""``unchanged``: no gene changes, which is right for most."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.perturbation.bulk._protocol import Experiments


class Unchanged:
    """Baseline: the majority."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Learn nothing."""
        self.notes: dict[str, Any] = {}

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return certainty of no change."""
        out = np.zeros((len(new), len(new.genes), new.n_classes))
        out[:, :, new.middle] = 1
        return out, np.zeros((len(new), len(new.genes)))
