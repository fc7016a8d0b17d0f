"""Cosine graphs of cells and of genes: whole, as a product of two sparse matrices, or made sparse.

A matrix is a tuple of CSR matrices whose product it is. The whole cosine graph of n rows is ``(X, X^T)`` with rows of length one: it is
never n × n, and a product with it is that of the dense graph to rounding.
"""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import GraphError, InputValueError, warn
from scgnn_tools.graph import knn
from scgnn_tools.graph.cosine import unit_length

Matrix = tuple[sp.csr_array, ...]
Sparsify = int | float | Literal["adaptive", "whole"]
"""An int: so many most similar ones a row. A float: cosines from there on. "adaptive": those that stand out of the row's own
cosines, by a standard deviation above their mean."""

BLOCK_ENTRIES = 2**24
MAX_EDGES = 2**28
EDGE_BLOCK = 2**17


def check(sparsify: Sparsify) -> None:
    """Refuse what is no way to make a graph sparse."""
    word = isinstance(sparsify, str) and sparsify in ("adaptive", "whole")
    number = isinstance(sparsify, int | float | np.number) and not isinstance(sparsify, bool)
    count = number and not isinstance(sparsify, float | np.floating) and sparsify >= 1  # type: ignore[operator]
    threshold = number and isinstance(sparsify, float | np.floating) and 0 < sparsify < 1
    if not (word or count or threshold):
        msg = f"sparsify is a number of neighbours (15), a cosine between 0 and 1 (0.5), 'adaptive' or 'whole'; got {sparsify!r}."
        raise InputValueError(msg)


def unit_rows(x: sp.csr_array) -> sp.csr_array:
    """Return the matrix with rows of length one; rows of zeros stay."""
    norm = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    scale = np.divide(1, norm, out=np.zeros_like(norm, dtype=np.float64), where=norm > 0)
    return sp.csr_array(sp.diags_array(scale) @ x).astype(np.float32)


def projection(unit: sp.csr_array) -> np.ndarray:
    """Return 50 directions that keep most of the cosines of many rows, by which neighbours are looked for, float32 (d, 50)."""
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(min(50, unit.shape[1] - 1), random_state=0).fit(sp.csr_matrix(unit))
    return svd.components_.T.astype(np.float32)


def cosine(
    rows: sp.csr_array, graph: sp.csr_array, sparsify: Sparsify, *, among: bool, project: np.ndarray | None = None
) -> Matrix:
    """Return cosines of rows with the nodes of a graph.

    Parameters
    ----------
    rows, graph
        Vectors of length one, CSR (n_rows, d) and (n, d).
    sparsify
        See :data:`Sparsify`.
    among
        Whether the rows are the nodes themselves: a node then keeps its edge to itself, beside its ``k`` neighbours.
    project
        Of :func:`projection`: neighbours are those in its 50 dimensions, found by scanpy's approximate search among the nodes; their
        weights are the cosines themselves. None compares every pair.

    Returns
    -------
    Matrix
        (n_rows, n). At no time more than 2²⁴ cosines are dense.
    """
    if sparsify == "whole":
        return rows, sp.csr_array(graph.T)
    n = graph.shape[0]
    if isinstance(sparsify, int | np.integer) and sparsify >= n:
        warn(f"sparsify={sparsify} neighbours asked of {n} nodes; taking {n - 1}.")
        sparsify = max(n - 1, 1)
    if project is not None and isinstance(sparsify, int | np.integer):
        return (_projected(rows, graph, int(sparsify), project, among=among),)
    size = max(1, BLOCK_ENTRIES // n)
    transposed = sp.csr_array(graph.T)
    blocks, edges = [], 0
    for start in range(0, rows.shape[0], size):
        similarity = np.asarray((rows[start : start + size] @ transposed).todense())  # (block, n)
        keep = _chosen(similarity, sparsify, start if among else None)
        blocks.append(sp.csr_array(np.where(keep, similarity, 0)))
        edges += blocks[-1].nnz
        if edges > MAX_EDGES:
            msg = f"sparsify={sparsify!r} leaves more than {MAX_EDGES:,} edges. Pass a number of neighbours, such as 15, or 'whole'."
            raise GraphError(msg)
    if not blocks:
        return (sp.csr_array((0, n), dtype=np.float32),)
    return (sp.csr_array(sp.vstack(blocks, format="csr")),)


def _chosen(similarity: np.ndarray, sparsify: Sparsify, own: int | None) -> np.ndarray:
    """Return which cosines of a block are kept, bool (block, n); ``own`` is the node that the first row is."""
    here = np.arange(len(similarity))
    if isinstance(sparsify, int | np.integer):
        others = similarity.copy()
        if own is not None:
            others[here, own + here] = -np.inf
        best = np.argpartition(-others, min(sparsify, similarity.shape[1]) - 1, axis=1)[:, :sparsify]
        keep = np.zeros(similarity.shape, dtype=bool)
        np.put_along_axis(keep, best, values=True, axis=1)
    elif sparsify == "adaptive":
        keep = similarity > similarity.mean(axis=1, keepdims=True) + similarity.std(axis=1, keepdims=True)
    else:
        keep = similarity >= sparsify
    if own is not None:
        keep[here, own + here] = True
    return keep


def _projected(rows: sp.csr_array, graph: sp.csr_array, k: int, project: np.ndarray, *, among: bool) -> sp.csr_array:
    """Return the cosines of rows with the ``k`` nodes that are nearest in the projection, and with themselves."""
    nodes = unit_length(np.asarray(graph @ project))
    if among:
        near = knn(nodes, k, metric="cosine").indices.reshape(len(nodes), -1)
        near = np.concatenate([near, np.arange(len(nodes))[:, None]], axis=1)
    else:
        asked, size = unit_length(np.asarray(rows @ project)), max(1, BLOCK_ENTRIES // len(nodes))
        parts = [
            np.argpartition(-(asked[i : i + size] @ nodes.T), k - 1, axis=1)[:, :k] for i in range(0, len(asked), size)
        ]
        near = np.concatenate(parts) if parts else np.zeros((0, k), dtype=np.int64)
    row = np.repeat(np.arange(len(near)), near.shape[1])
    values = [
        np.asarray(rows[row[i : i + EDGE_BLOCK]].multiply(graph[near.ravel()[i : i + EDGE_BLOCK]]).sum(axis=1)).ravel()
        for i in range(0, near.size, EDGE_BLOCK)
    ]
    entries = (np.concatenate(values or [np.zeros(0)]).astype(np.float32), (row, near.ravel()))
    out = sp.csr_array(sp.coo_array(entries, shape=(rows.shape[0], len(nodes))))
    out.eliminate_zeros()
    return out
