"""``logreg_genes`` and ``svm_genes``: linear models on the 2,000 genes that vary most."""

from typing import Any

import numpy as np

from scgnn_tools._choices import integer, number
from scgnn_tools._random import RNG
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scaled import LinearClassifier, OnScaledGenes, ScaledGenes


class SvmGenes(OnScaledGenes):
    """Baseline: a linear support vector machine, one class against the others, on scaled genes.

    The first of a comparison of 22 classifiers (Abdelaal et al., Genome Biology 2019) is a linear SVM. Its margins become probabilities
    through the temperature that held-out cells set.

    Parameters
    ----------
    n_genes
        Genes of the highest variance that are used.
    C
        Inverse of the weight of the L2 penalty.
    """

    def __init__(self, *, n_genes: int = 2000, C: float = 0.01) -> None:
        self.n_genes, self.C = integer("n_genes", n_genes), number("C", C, above=0)

    def _model(self) -> Any:
        from sklearn.svm import LinearSVC

        return LinearSVC(C=self.C, dual=False, max_iter=5000)  # the primal problem, whose solver draws nothing

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "SvmGenes":
        """Fit scales and weights on the training cells; nothing is learnt from the validation cells."""
        self._scaled = ScaledGenes(self.n_genes).fit(train.expression)
        x = self._scaled(train.expression)
        if x.shape[1] == 0:
            self._linear = LinearClassifier.constant(labels)
            return self
        model = self._model().fit(x, labels)
        self._linear = LinearClassifier(model.coef_, model.intercept_)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return margins, made into log-probabilities, (n_cells, n_classes)."""
        logits = self._linear(self._scaled(cells.expression))
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


class LogRegGenes(SvmGenes):
    """Baseline: logistic regression over all classes at once, on scaled genes.

    Parameters
    ----------
    n_genes, C
        As of :class:`SvmGenes`.
    """

    def _model(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.C, max_iter=2000)
