"""``logreg_pca`` and ``logreg_rep``: logistic regression on PCA or on an embedding; the baseline that is hard to beat."""

import warnings
from typing import Self

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import OnEmbedding, OnPCA
from scgnn_tools.labels.saving import Kept, State


class LogRegRep(OnEmbedding):
    """Baseline: logistic regression on the standardised embedding."""

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "LogRegRep":
        """Fit scales and weights on the training cells; nothing is learnt from the validation cells."""
        self._look_at(train)
        self._head = LinearHead().fit(self._vectors(train), labels)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        return self._head.scores(self._vectors(cells))

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs."""
        return {**self._head.state(), **self._look_state()}

    def restore(self, arrays: State) -> Self:
        """Become the model that :meth:`state` was asked of."""
        self._head = LinearHead().restore(arrays)
        self._look_restore(arrays)
        return self


class LogRegPCA(OnPCA, LogRegRep):
    """Baseline: logistic regression on 50 standardised principal components of 2,000 genes."""


MANY = 1000
"""Classes from which on a fit is cut short."""


class LinearHead(Kept):
    """Logistic regression on standardised vectors."""

    kept = ("mean", "scale", "weight", "bias")

    def fit(self, x: np.ndarray, labels: np.ndarray) -> "LinearHead":
        """Fit on vectors (n_cells, d) with labels 0, 1, …, n_classes - 1."""
        from sklearn.linear_model import LogisticRegression

        self.mean, self.scale = x.mean(axis=0), x.std(axis=0) + 1e-6
        steps = (
            2000 if labels.max() < MANY else 20
        )  # of so many classes each step takes seconds, and the first ones tell most
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="lbfgs failed to converge" if steps == 20 else "(?!)")
            model = LogisticRegression(max_iter=steps, C=1.0).fit((x - self.mean) / self.scale, labels)
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        self.weight, self.bias = np.ascontiguousarray(weight), bias  # as a file gives it back
        return self

    @property
    def slopes(self) -> np.ndarray:
        """By how much each logit changes with an entry of the vectors, in their own unit, (d, n_classes)."""
        return (self.weight / self.scale).T

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        logits = np.einsum("nd,kd->nk", (x - self.mean) / self.scale, self.weight) + self.bias
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
