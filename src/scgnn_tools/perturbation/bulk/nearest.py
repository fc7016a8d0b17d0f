"""``nearest``: what the knock-out of the most alike target did."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.rates import class_centres, rates


class Nearest:
    """Baseline: rates of the target that shares most of the rare biological processes, shrunk to those over all targets."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Count by target."""
        self._found, self._centres = rates(seen), class_centres(seen)
        self._everywhere = self._found.weighted(np.ones((1, len(self._found.targets))))[0]
        self.notes: dict[str, Any] = {"by": next(iter(seen.relations.kernels), "")}

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return the rates of the nearest target; of a target that is like none, those of all."""
        like = alike(new, self._found.targets)
        weights = np.zeros_like(like)
        best = like.argmax(axis=1)
        weights[np.arange(len(like)), best] = (like[np.arange(len(like)), best] > 0).astype(float)
        out = self._found.weighted(weights, prior=self._everywhere, strength=1.0)
        return out, out @ self._centres


def alike(new: Experiments, targets: np.ndarray) -> np.ndarray:
    """Return how alike the targets of experiments and others are, 0 to 1, by the first source of relations; a target is not like itself."""
    kernel = next(iter(new.relations.kernels.values()), new.relations.identity())
    at = {g: i for i, g in enumerate(new.relations.genes)}
    rows, columns = ([at[t] for t in x] for x in (new.target, targets))
    out = np.clip(kernel[np.ix_(rows, columns)], 0, 1)
    out[np.asarray(new.target, dtype=object)[:, None] == targets] = 0
    return out
