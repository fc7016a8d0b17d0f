"""``sgd_genes``: logistic regression on all genes by stochastic gradient descent, in the manner of CellTypist."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import integer, number
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scaled import LinearClassifier, OnScaledGenes, ScaledGenes


class SgdGenes(OnScaledGenes):
    """Baseline: one-against-all logistic regression on scaled genes, trained by SGD.

    As CellTypist (Domínguez Conde et al., Science 2022) trains its models: log1p of counts per 10,000, genes scaled to unit variance and
    clipped, L2. Genes are not centred, so that the matrix stays sparse; the intercept takes up what centring would have.

    Parameters
    ----------
    alpha
        Weight of the L2 penalty.
    top_genes
        CellTypist's feature selection: train once, keep so many genes of the largest coefficients a class, train again; None keeps all.
    """

    def __init__(self, *, alpha: float = 1e-4, top_genes: int | None = None) -> None:
        self.alpha, self.top_genes = number("alpha", alpha, above=0), integer("top_genes", top_genes, or_none=True)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "SgdGenes":
        """Fit scales and weights on the training cells; nothing is learnt from the validation cells."""
        number = seed(rng)
        self._scaled = ScaledGenes().fit(train.expression)
        self._linear = self._train(train.expression, labels, number)
        if self.top_genes is not None and self.top_genes < len(self.genes):
            best = np.argpartition(-np.abs(self._linear.weight), self.top_genes, axis=1)[:, : self.top_genes]
            self._scaled.keep(np.unique(best))
            self._linear = self._train(train.expression, labels, number)
        return self

    @property
    def genes(self) -> np.ndarray:
        """Columns of the expression that are used, int (n_genes,)."""
        return self._scaled.genes

    def _train(self, expression: sp.csr_array, labels: np.ndarray, number: int) -> LinearClassifier:
        from sklearn.linear_model import SGDClassifier

        # about a million steps a class, the number at which SGD has settled; few cells are seen more often
        epochs = int(np.clip(1e6 / len(labels), 5, 500))
        x = self._scaled(expression)
        if x.shape[1] == 0:
            return LinearClassifier.constant(labels)
        model = SGDClassifier(loss="log_loss", alpha=self.alpha, max_iter=epochs, tol=1e-3, random_state=number)
        model.fit(x, labels)
        return LinearClassifier(model.coef_, model.intercept_)

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of each class's own probability, made to sum to one, (n_cells, n_classes)."""
        own = -np.logaddexp(0, -self._linear(self._scaled(cells.expression)))
        return own - np.logaddexp.reduce(own, axis=1, keepdims=True)
