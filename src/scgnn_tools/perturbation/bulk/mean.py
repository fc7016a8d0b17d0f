"""``mean``: every knock-out does what knock-outs do on average."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.rates import gene_spread, of_changes


class MeanChange:
    """Baseline: the mean change of each gene, and classes of a normal law about it."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Learn mean and spread of each gene where it counts."""
        self.notes: dict[str, Any] = {}
        n = np.maximum(seen.counts.sum(axis=0), 1)
        self._mean = np.where(seen.counts, seen.change, 0).sum(axis=0) / n
        self._spread = gene_spread(seen, seen.change - self._mean)

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for every knock-out."""
        change = np.tile(self._mean, (len(new), 1))
        return of_changes(change, self._spread, new.log_fold, new.n_classes), change
