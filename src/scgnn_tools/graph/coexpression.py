"""Which genes go up and down together: Pearson correlation, in blocks, without a dense matrix of cells or of genes."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import GraphError
from scgnn_tools.graph.canonical import canonical

BLOCK = 1024


def coexpression(x: sp.csr_array, *, threshold: float = 0.3, k: int | None = None) -> sp.csr_array:
    """Link genes whose expression correlates.

    Parameters
    ----------
    x
        Log-normalised expression, (n_cells, n_genes).
    threshold
        Least absolute correlation of an edge.
    k
        Most edges a gene, the strongest ones; None keeps all above the threshold. The result is then not symmetric.

    Returns
    -------
    csr_array
        float32 (n_genes, n_genes), absolute correlation as weight. A constant gene gets no edge.
    """
    n_cells, n_genes = x.shape
    if n_cells < 3:
        msg = f"Co-expression needs at least 3 cells; there are {n_cells}."
        raise GraphError(msg)
    columns = sp.csc_array(x)
    rows, cols, values = [], [], []
    for start in range(0, n_genes, BLOCK):
        r = np.abs(correlation(columns, np.arange(start, min(start + BLOCK, n_genes)), np.arange(n_genes)))
        r[np.arange(len(r)), start + np.arange(len(r))] = 0
        if k is not None and k < n_genes:
            cut = -np.partition(-r, k - 1, axis=1)[:, k - 1 : k]  # the k-th strongest of each gene
            r[r < cut] = 0
        i, j = np.nonzero(r >= max(threshold, 1e-6))
        rows.append(start + i)
        cols.append(j)
        values.append(r[i, j])
    return canonical(np.concatenate(rows), np.concatenate(cols), np.concatenate(values), (n_genes, n_genes))


def correlation(x: sp.csc_array, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson correlations of columns ``a`` with columns ``b``, float64 (len(a), len(b)); 0 for constant ones."""
    n = x.shape[0]
    left, right = x[:, a].astype(np.float64), x[:, b].astype(np.float64)
    mean_a, mean_b = (np.asarray(m.mean(axis=0)).ravel() for m in (left, right))
    var_a, var_b = (
        np.maximum(np.asarray(m.multiply(m).mean(axis=0)).ravel() - mean**2, 0)
        for m, mean in ((left, mean_a), (right, mean_b))
    )
    covariance = np.asarray((left.T @ right).todense()) / n - np.outer(mean_a, mean_b)
    scale = np.sqrt(np.outer(var_a, var_b))
    out = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
    return np.clip(out, -1, 1)
