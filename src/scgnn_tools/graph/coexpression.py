"""Which genes go up and down together: Pearson correlation, in blocks, without a dense matrix of cells or of genes."""

from typing import Literal

import numba
import numpy as np
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GraphError
from scgnn_tools._threads import as_many_as_torch
from scgnn_tools.graph.canonical import canonical

BLOCK = 1024
Sign = Literal["absolute", "positive", "signed"]


@door_of_arrays
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

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> logged = sp.csr_array(np.log1p(adata.X))
    >>> sgt.graph.coexpression(logged, threshold=0.4).shape
    (1000, 1000)
    """
    n_cells, n_genes = x.shape
    if n_cells < 3:
        msg = f"Co-expression needs at least 3 cells; there are {n_cells}."
        raise GraphError(msg)
    every = _Columns(x)
    rows, cols, values = [], [], []
    for start in range(0, n_genes, BLOCK):
        signed = _between(_Columns(every.rows[:, start : start + BLOCK]), every)
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
    return _between(_Columns(x[:, a]), _Columns(x[:, b]))


class _Columns:
    """A matrix by rows, with the moments of its columns: sums in double precision, no copy in it."""

    def __init__(self, x: sp.csr_array | sp.csc_array) -> None:
        self.rows = sp.csr_array(x)
        n, d = x.shape
        total, square = np.zeros(d), np.zeros(d)
        _sums(self.rows.indices, self.rows.data, total, square)
        self.mean = total / n
        self.deviation = np.sqrt(np.maximum(square / n - self.mean**2, 0))


def _between(left: _Columns, right: _Columns) -> np.ndarray:
    columns, rows, n = sp.csc_array(left.rows), right.rows, left.rows.shape[0]
    product = np.zeros((columns.shape[1], rows.shape[1]))
    with as_many_as_torch():
        _products(columns.indptr, columns.indices, columns.data, rows.indptr, rows.indices, rows.data, product)
    product /= n
    for i, mean in enumerate(left.mean):  # in place: the block is the largest thing in memory beside the matrix
        product[i] -= mean * right.mean
        scale = left.deviation[i] * right.deviation
        np.divide(product[i], scale, out=product[i], where=scale > 1e-12)
        product[i, scale <= 1e-12] = 0
    return np.clip(product, -1, 1, out=product)


@numba.njit(cache=True, nogil=True)
def _sums(
    indices: np.ndarray, data: np.ndarray, total: np.ndarray, square: np.ndarray
) -> None:  # pragma: no cover (compiled)
    for k in range(len(indices)):
        value = np.float64(data[k])
        total[indices[k]] += value
        square[indices[k]] += value * value


@numba.njit(parallel=True, cache=True, nogil=True)
def _products(
    indptr: np.ndarray,
    cells: np.ndarray,
    data: np.ndarray,
    row_indptr: np.ndarray,
    row_indices: np.ndarray,
    row_data: np.ndarray,
    out: np.ndarray,
) -> None:  # pragma: no cover (compiled)
    # a row of the result is summed up cell by cell, in the same order on any number of threads
    for i in numba.prange(len(indptr) - 1):
        for p in range(indptr[i], indptr[i + 1]):
            value = np.float64(data[p])
            for q in range(row_indptr[cells[p]], row_indptr[cells[p] + 1]):
                out[i, row_indices[q]] += value * row_data[q]
