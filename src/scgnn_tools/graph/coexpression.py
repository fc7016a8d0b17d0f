"""Which genes go up and down together: Pearson correlation, in blocks, without a dense matrix of cells or of genes."""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import GraphError
from scgnn_tools.graph.canonical import canonical

BLOCK = 1024
Sign = Literal["absolute", "positive", "signed"]


def coexpression(
    x: sp.csr_array, *, threshold: float = 0.3, k: int | None = None, sign: Sign = "absolute"
) -> sp.csr_array:
    """Link genes whose expression correlates.

    Parameters
    ----------
    x
        Log-normalised expression, (n_cells, n_genes).
    threshold
        Least absolute correlation of an edge.
    k
        Most edges a gene, the strongest ones; None keeps all above the threshold. The result is then not symmetric.
    sign
        "absolute": correlations of either sign, their size as weight; "positive": positive ones alone; "signed": of either sign, with
        their sign as weight.

    Returns
    -------
    csr_array
        float32 (n_genes, n_genes). A constant gene gets no edge.
    """
    n_cells, n_genes = x.shape
    if n_cells < 3:
        msg = f"Co-expression needs at least 3 cells; there are {n_cells}."
        raise GraphError(msg)
    columns = sp.csc_array(x)
    rows, cols, values = [], [], []
    for start in range(0, n_genes, BLOCK):
        signed = correlation(columns, np.arange(start, min(start + BLOCK, n_genes)), np.arange(n_genes))
        r = signed if sign == "positive" else np.abs(signed)
        r[np.arange(len(r)), start + np.arange(len(r))] = 0
        if k is not None and k < n_genes:
            cut = -np.partition(-r, k - 1, axis=1)[:, k - 1 : k]  # the k-th strongest of each gene
            r[r < cut] = 0
        i, j = np.nonzero(r >= max(threshold, 1e-6))
        rows.append(start + i)
        cols.append(j)
        values.append(signed[i, j] if sign == "signed" else r[i, j])
    ends, weights = (np.concatenate(rows), np.concatenate(cols)), np.concatenate(values)
    if sign == "signed":  # each pair once, and weights that canonical() refuses
        return sp.csr_array((weights.astype(np.float32), ends), shape=(n_genes, n_genes))
    return canonical(*ends, weights, (n_genes, n_genes))


def correlation_of_pairs(x: sp.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of pairs of columns of ``x``, float32 (n_pairs,); 0 for constant ones."""
    table, out = sp.csc_array(x), np.empty(len(rows), dtype=np.float32)
    order = np.argsort(rows, kind="stable")
    for start in range(0, x.shape[1], BLOCK):
        here = order[slice(*np.searchsorted(rows, [start, start + BLOCK], sorter=order))]
        if len(here):
            a, at = np.unique(rows[here], return_inverse=True)
            b, to = np.unique(columns[here], return_inverse=True)
            out[here] = correlation(table, a, b)[at, to]
    return out


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
