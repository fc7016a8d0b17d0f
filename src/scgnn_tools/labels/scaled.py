"""Genes on one scale, and linear models of them: what the baselines on genes share."""

from typing import Self

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels.pca import column_variance
from scgnn_tools.labels.saving import State, nested, part

CLIP = 10.0
"""Most that a scaled value can be, in standard deviations; CellTypist's."""


class ScaledGenes:
    """Genes of unit variance, clipped and not centred, so that the matrix stays sparse.

    Parameters
    ----------
    n_genes
        Genes of the highest variance that are used; None takes all that vary.
    """

    def __init__(self, n_genes: int | None = None) -> None:
        self.n_genes = n_genes

    def fit(self, x: sp.csr_array) -> "ScaledGenes":
        """Choose genes and learn their scale, (n_cells, n_genes)."""
        spread = np.sqrt(column_variance(x))
        there = np.flatnonzero(spread > 0)
        if self.n_genes is not None:
            there = np.sort(there[np.argsort(-spread[there], kind="stable")[: self.n_genes]])
        self.genes, self._scale = there, 1 / spread[there]
        return self

    def keep(self, some: np.ndarray) -> None:
        """Keep these of the genes."""
        self.genes, self._scale = self.genes[some], self._scale[some]

    def __call__(self, x: sp.csr_array) -> sp.csr_matrix:
        """Return the scaled genes of cells, CSR (n_cells, n_genes)."""
        out = sp.csr_matrix(x[:, self.genes]).multiply(self._scale).tocsr()
        np.minimum(out.data, CLIP, out=out.data)
        return out

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        return {"genes": self.genes, "scale": self._scale}

    def restore(self, arrays: dict[str, np.ndarray]) -> "ScaledGenes":
        """Become what :meth:`state` was asked of."""
        self.genes, self._scale = arrays["genes"], arrays["scale"]
        return self


class LinearClassifier:
    """Weights and biases of a linear classifier, one row a class.

    Parameters
    ----------
    weight, bias
        (n_classes, d) and (n_classes,), or the single row that scikit-learn keeps of two classes.
    """

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        if len(weight) == 1:
            weight, bias = np.vstack([-weight, weight]), np.concatenate([-bias, bias])
        self.weight, self.bias = weight, bias

    @classmethod
    def constant(cls, labels: np.ndarray) -> "LinearClassifier":
        """Return the classes as frequent as they are, for cells that have no gene that varies."""
        share = np.bincount(labels, minlength=int(labels.max()) + 1) / len(labels)
        return cls(np.zeros((len(share), 0)), np.log(share / (1 - share + 1e-9) + 1e-9))

    def __call__(self, x: sp.csr_matrix) -> np.ndarray:
        """Return what the classes get, float64 (n_cells, n_classes)."""
        return np.asarray(x @ self.weight.T, dtype=np.float64) + self.bias

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that make it again."""
        return {"weight": self.weight, "bias": self.bias}


class OnScaledGenes:
    """What a linear model of scaled genes is restored from."""

    _scaled: ScaledGenes
    _linear: LinearClassifier

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs."""
        return nested(genes=self._scaled.state(), linear=self._linear.state())

    def restore(self, arrays: State) -> Self:
        """Become the model that :meth:`state` was asked of."""
        self._scaled, self._linear = (
            ScaledGenes().restore(part(arrays, "genes")),
            LinearClassifier(**part(arrays, "linear")),
        )
        return self
