"""``expression``: weakly expressed genes change more; two logistic regressions on the control's level and on the gene over experiments."""

from typing import Any

import numpy as np

from scgnn_tools._random import RNG, seed
from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.logistic import Logistic
from scgnn_tools.perturbation.bulk.rates import class_centres
from scgnn_tools.perturbation.bulk.two_step import classes, strong_shares


class ByExpression:
    """Baseline: what noise alone would do."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Learn whether and which way genes change by their level, and its mean and variance over the training controls."""
        self.notes: dict[str, Any] = {"has_control": seen.control is not None}
        level = np.zeros_like(seen.change) if seen.control is None else seen.control
        self._gene = np.stack([level.mean(axis=0), level.var(axis=0)], axis=-1)
        own = seen.counts
        x, label = self._columns(seen)[own], seen.label[own]
        changed = label != seen.middle
        self._change = Logistic().fit(x, changed, rng=seed(rng))
        self._up = Logistic().fit(x[changed], label[changed] > seen.middle, rng=seed(rng))
        self._strong, self._centres = strong_shares(seen), class_centres(seen)

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return classes by level."""
        x = self._columns(new)
        flat = x.reshape(-1, x.shape[2])
        p, up = (m.predict(flat).reshape(x.shape[:2]) for m in (self._change, self._up))
        out = classes(p, up, new.n_classes, self._strong)
        return out, out @ self._centres

    def _columns(self, new: Experiments) -> np.ndarray:
        level = np.tile(self._gene[:, 0], (len(new), 1)) if new.control is None else new.control
        return np.concatenate([level[:, :, None], np.tile(self._gene, (len(new), 1, 1))], axis=2)
