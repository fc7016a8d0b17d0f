"""``lda_pca``: linear discriminant analysis on principal components."""

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import OnPCA
from scgnn_tools.labels.saving import State


class LdaPCA(OnPCA):
    """Baseline: Gaussians of one covariance around the classes, on 50 principal components of 2,000 genes.

    The covariance within classes is shrunk as Ledoit and Wolf do.
    """

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "LdaPCA":
        """Fit means and covariance on the training cells; nothing is learnt from the validation cells."""
        from sklearn.covariance import ledoit_wolf

        self._look_at(train)
        x = self._vectors(train).astype(np.float64)
        size = np.bincount(labels)
        means = np.stack([x[labels == c].mean(axis=0) for c in range(len(size))])
        shared, _ = ledoit_wolf(x - means[labels], assume_centered=True)
        weight = np.linalg.solve(shared + 1e-9 * np.eye(len(shared)), means.T).T
        self._weight = np.ascontiguousarray(weight)  # as a file gives it back
        self._bias = np.log(size / len(labels)) - 0.5 * np.einsum("kd,kd->k", means, self._weight)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        logits = np.einsum("nd,kd->nk", self._vectors(cells), self._weight) + self._bias
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs."""
        return self._look_state() | {"weight": self._weight, "bias": self._bias}

    def restore(self, arrays: State) -> "LdaPCA":
        """Become the model that :meth:`state` was asked of."""
        self._look_restore(arrays)
        self._weight, self._bias = arrays["weight"], arrays["bias"]
        return self
