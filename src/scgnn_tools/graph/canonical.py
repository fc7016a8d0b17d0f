"""One form for every graph: CSR, no self loops, no duplicates, no negative weights."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GraphError


@door_of_arrays
def canonical(
    rows: np.ndarray, columns: np.ndarray, weights: np.ndarray | None, shape: tuple[int, int]
) -> sp.csr_array:
    """Return a graph from its edges.

    Parameters
    ----------
    rows, columns
        Ends of the edges, int (n_edges,).
    weights
        float (n_edges,); None gives every edge 1. Of duplicates the largest counts.
    shape
        Numbers of nodes.

    Returns
    -------
    csr_array
        float32, indices sorted, without self loops (of a square graph), duplicates and zeros.

    Raises
    ------
    GraphError
        If an index is out of range, or a weight negative or not finite.

    Examples
    --------
    >>> graph = sgt.graph.canonical(np.array([0, 0, 1]), np.array([1, 1, 2]), None, (3, 3))
    >>> graph.nnz
    2
    """
    rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    values = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    outside = (rows < 0) | (rows >= shape[0]) | (columns < 0) | (columns >= shape[1])
    if outside.any():
        i = int(np.flatnonzero(outside)[0])
        msg = f"Edge {i} goes from node {rows[i]} to {columns[i]}, outside {shape[0]} × {shape[1]} nodes ({outside.sum()} such edges)."
        raise GraphError(msg)
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        msg = f"Edge {i} has weight {values[i]}; weights are finite and not negative ({bad.sum()} such edges)."
        raise GraphError(msg)
    keep = values > 0
    if shape[0] == shape[1]:
        keep &= rows != columns
    rows, columns, values = rows[keep], columns[keep], values[keep]
    order = np.lexsort((-values, columns, rows))  # the largest of several equal edges comes first
    rows, columns, values = rows[order], columns[order], values[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    out = sp.csr_array((values[first].astype(np.float32), (rows[first], columns[first])), shape=shape)
    out.sort_indices()
    return out


def as_csr(matrix: Any) -> sp.csr_array:
    """Return a matrix of ``obsp`` or ``varp``, dense or sparse, as CSR; scipy has no sparse half floats, so that these become float32."""
    table = matrix if sp.issparse(matrix) else np.asarray(matrix)
    return sp.csr_array(table.astype(np.float32) if table.dtype == np.float16 else table)
