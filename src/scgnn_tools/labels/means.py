"""Means of classes, and the genes that tell the classes apart."""

import numpy as np
import scipy.sparse as sp


def membership(labels: np.ndarray, n_classes: int, dtype: type = np.float64) -> sp.csr_array:
    """Return which cells are of which class, ones in a CSR matrix (n_classes, n_cells): its products are sums over classes."""
    cells = np.arange(len(labels))
    return sp.csr_array((np.ones(len(labels), dtype), (labels, cells)), shape=(n_classes, len(labels)))


def class_means(x: sp.csr_array, labels: np.ndarray) -> np.ndarray:
    """Return the mean expression of each class, float32 (n_classes, n_genes); the classes of a gene lie side by side in memory."""
    of = membership(labels, int(labels.max()) + 1, np.float32)
    return (of @ x).toarray(order="F") / of.sum(axis=1)[:, None]


def telling_genes(means: np.ndarray, n_genes: int) -> np.ndarray:
    """Return the genes whose means differ most between the classes, sorted, int (at most n_genes,)."""
    return np.sort(np.argsort(-means.var(axis=0), kind="stable")[:n_genes])


def correlation(x: sp.csr_array, means: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of each cell with each mean, (n_cells, n_classes); 0 for a cell without expression."""
    centred = means - means.mean(axis=1, keepdims=True)
    total = np.asarray(x.sum(axis=1)).ravel()
    square = np.asarray(x.multiply(x).sum(axis=1)).ravel()
    spread = np.sqrt(np.maximum(square - total**2 / x.shape[1], 0)) + 1e-9
    norm = np.linalg.norm(centred, axis=1) + 1e-9
    return np.asarray(x @ centred.T) / spread[:, None] / norm
