"""Principal components of the genes that vary most, fitted on training cells only."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.saving import State, nested, part

LEAST_VARIANCE = 1e-12
"""What rounding leaves of the variance of a constant."""


class GenePCA:
    """Centred PCA of log-normalised expression.

    Parameters
    ----------
    n_genes
        Genes of the highest variance that are used.
    n_components
        Dimension of the result.
    """

    def __init__(self, n_genes: int = 2000, n_components: int = 50) -> None:
        self.n_genes, self.n_components = n_genes, n_components

    def fit(self, x: sp.csr_array) -> "GenePCA":
        """Choose genes and components, (n_cells, n_genes)."""
        from sklearn.decomposition import PCA

        spread = column_variance(x)
        self.genes = np.sort(np.argsort(-spread, kind="stable")[: self.n_genes])
        k = min(self.n_components, x.shape[0] - 1, len(self.genes) - 1)
        self._components: np.ndarray | None = None  # one training cell, one gene, or all cells equal: nothing to rotate
        if k > 0 and spread.max() > LEAST_VARIANCE:
            pca = PCA(k, svd_solver="arpack", random_state=0).fit(sp.csr_matrix(x[:, self.genes]))
            self._components, self._mean = np.ascontiguousarray(pca.components_), pca.mean_  # as a file gives it back
        return self

    def transform(self, x: sp.csr_array) -> np.ndarray:
        """Return the components of each cell, (n_cells, n_components)."""
        if self._components is None:
            return np.asarray(x[:, self.genes].todense())
        # arithmetic of our own instead of scikit-learn's, whose blocks depend on how many cells there are
        return np.asarray(x[:, self.genes] @ self._components.T - self._mean @ self._components.T)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        rotation = {} if self._components is None else {"components": self._components, "mean": self._mean}
        return {"genes": self.genes, **rotation}

    def restore(self, arrays: dict[str, np.ndarray]) -> "GenePCA":
        """Become the PCA that :meth:`state` was asked of."""
        self.genes, self._components = arrays["genes"], arrays.get("components")
        if self._components is not None:
            self._mean = arrays["mean"]
        return self


class OnEmbedding:
    """What a baseline looks at: the vectors that the cells bring along."""

    def _look_at(self, train: Cells) -> None:
        """Learn what the vectors need; an embedding needs nothing."""

    def _vectors(self, cells: Cells) -> np.ndarray:
        return cells.embedding

    def _look_state(self) -> State:
        """Return the arrays of what was learnt; nothing."""
        return {}

    def _look_restore(self, arrays: State) -> None:
        """Take what :meth:`_look_state` gave."""


class OnPCA(OnEmbedding):
    """What a baseline looks at: principal components of the training cells' expression."""

    def _look_at(self, train: Cells) -> None:
        self._pca = GenePCA().fit(train.expression)

    def _vectors(self, cells: Cells) -> np.ndarray:
        return self._pca.transform(cells.expression)

    def _look_state(self) -> State:
        return nested(pca=self._pca.state())

    def _look_restore(self, arrays: State) -> None:
        self._pca = GenePCA().restore(part(arrays, "pca"))


def column_variance(x: sp.csr_array) -> np.ndarray:
    """Return the variance of each column, float64 (n_columns,), from sums alone."""
    n = x.shape[0]
    mean = np.asarray(x.sum(axis=0, dtype=np.float64)).ravel() / n
    square = np.asarray(x.multiply(x).sum(axis=0, dtype=np.float64)).ravel() / n
    return np.maximum(square - mean**2, 0.0)
