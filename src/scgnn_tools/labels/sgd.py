"""``sgd_genes``: logistic regression on all genes by stochastic gradient descent, in the manner of CellTypist."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import column_variance

CLIP = 10.0
"""Most that a scaled value can be, in standard deviations; CellTypist's."""


class SgdGenes:
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
        self.alpha, self.top_genes = alpha, top_genes

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
        spread = np.sqrt(column_variance(train.expression))
        self.genes = np.flatnonzero(spread > 0)
        self._scale = 1 / spread[self.genes]
        weight, bias = self._train(train, labels, number)
        if self.top_genes is not None and self.top_genes < len(self.genes):
            best = np.argpartition(-np.abs(weight), self.top_genes, axis=1)[:, : self.top_genes]
            kept = np.unique(best)
            self.genes, self._scale = self.genes[kept], self._scale[kept]
            weight, bias = self._train(train, labels, number)
        self._weight, self._bias = weight, bias
        return self

    def _train(self, train: Cells, labels: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import SGDClassifier

        # about a million steps a class, the number at which SGD has settled; few cells are seen more often
        epochs = int(np.clip(1e6 / len(train), 5, 500))
        model = SGDClassifier(loss="log_loss", alpha=self.alpha, max_iter=epochs, tol=1e-3, random_state=number)
        x = self._scaled(train)
        if x.shape[1] == 0:  # constant genes only: the classes as frequent as they are
            share = np.bincount(labels, minlength=int(labels.max()) + 1) / len(labels)
            return np.zeros((len(share), 0)), np.log(share / (1 - share + 1e-9) + 1e-9)
        model.fit(x, labels)
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            weight, bias = np.vstack([-weight, weight]), np.concatenate([-bias, bias])
        return weight, bias

    def _scaled(self, cells: Cells) -> sp.csr_matrix:
        x = sp.csr_matrix(cells.expression[:, self.genes]).multiply(self._scale).tocsr()
        np.minimum(x.data, CLIP, out=x.data)
        return x

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log of each class's own probability, made to sum to one, (n_cells, n_classes)."""
        logits = np.asarray(self._scaled(cells) @ self._weight.T, dtype=np.float64) + self._bias
        own = -np.logaddexp(0, -logits)
        return own - np.logaddexp.reduce(own, axis=1, keepdims=True)
