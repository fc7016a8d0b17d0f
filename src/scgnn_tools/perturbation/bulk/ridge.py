"""``ridge``: kernel ridge regression of the changes over how alike targets are, and classes of a normal law about it."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.perturbation._protocol import Effects
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.rates import gene_spread, of_changes
from scgnn_tools.perturbation.kernel import Kernel


class RidgeChange:
    """The method ``kernel`` of :func:`scgnn_tools.tl.perturb`, on experiments in bulk; the mean of the targets is its centre."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Fit the changes, one a target, and the spread of what is left."""
        targets, code = np.unique(seen.target, return_inverse=True)
        known = np.where(seen.counts, seen.change, 0)
        change = np.stack([known[code == i].mean(axis=0) for i in range(len(targets))])
        noise = 1 / np.bincount(code)
        self._kernel = Kernel(centre="mean")
        self._kernel.fit(Effects([(t,) for t in targets], change, noise, seen.genes, seen.relations), rng=rng)
        self.notes: dict[str, Any] = dict(self._kernel.notes)
        said, place = change[self._kernel.kept] - self._kernel.left_out, np.full(len(targets), -1)
        place[self._kernel.kept] = np.arange(len(said))
        own = np.flatnonzero(place[code] >= 0)
        self._spread = gene_spread(seen.take(own), seen.change[own] - said[place[code[own]]])

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return the changes and their classes."""
        change = self._kernel.predict([(t,) for t in new.target])
        return of_changes(change, self._spread, new.log_fold, new.n_classes), change
