"""Principal components of many cells, from one matrix of genes by genes: memory does not grow with the cells."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from scgnn_tools._axes import fixed_signs
from scgnn_tools.data import Expression

ROWS = 2048
"""Cells that are dense at once."""


class StreamedPCA:
    """Centred PCA over chosen genes of log-normalised expression.

    Parameters
    ----------
    genes
        Names of the genes, object (n_genes,).
    """

    def __init__(self, genes: np.ndarray) -> None:
        self.genes = genes

    def fit(self, rows: Iterator[sp.csr_array], n_components: int) -> "StreamedPCA":
        """Sum up mean and covariance, and take the largest components, at most cells - 1 and genes - 1."""
        total, gram, n = np.zeros(len(self.genes)), np.zeros((len(self.genes), len(self.genes))), 0
        for block in _dense(rows):
            total += block.sum(axis=0)
            gram += block.T @ block
            n += len(block)
        self.mean = total / n
        covariance = (gram - n * np.outer(self.mean, self.mean)) / max(n - 1, 1)
        self.varies = bool(np.trace(covariance) > 1e-12)
        self.axes = _largest(covariance, min(n_components, n - 1, len(self.genes) - 1))
        return self

    def project(self, rows: Iterator[sp.csr_array]) -> np.ndarray:
        """Return the components of cells, each by itself, float32 (n_cells, n_components)."""
        return np.concatenate([((b - self.mean) @ self.axes).astype(np.float32) for b in _dense(rows)])


def components(x: np.ndarray, n_components: int) -> np.ndarray:
    """Return principal components of a dense matrix, float32 (n_cells, at most n_components)."""
    x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    axes = _largest(x.T @ x, min(n_components, len(x) - 1, x.shape[1] - 1))
    return (x @ axes).astype(np.float32)


def chosen_rows(expression: Expression, columns: np.ndarray) -> Iterator[sp.csr_array]:
    """Yield log-normalised rows over some genes."""
    for _, rows in expression.lognorm_rows():
        yield sp.csr_array(rows[:, columns])


def _dense(rows: Iterator[sp.csr_array]) -> Iterator[np.ndarray]:
    for block in rows:
        for start in range(0, block.shape[0], ROWS):
            yield np.asarray(block[start : start + ROWS].todense(), dtype=np.float64)


def _largest(covariance: np.ndarray, k: int) -> np.ndarray:
    """Return the ``k`` axes of the largest variance, signs fixed, float64 (n_genes, k)."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    n = len(covariance)
    k = max(1, k)
    if 4 * k < n and covariance.any():
        values, axes = eigsh(covariance, k, v0=np.ones(n))
        axes = axes[:, np.argsort(values)]
    else:
        _, axes = eigh(covariance, subset_by_index=[n - k, n - 1])
    return fixed_signs(axes[:, ::-1])
