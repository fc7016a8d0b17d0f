"""The graph of cells: neighbours by h, and how often neighbours share a label."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.graph import knn


def neighbors(vectors: np.ndarray, k: int, *, rng: int = 0) -> sp.csr_array:
    """Return D^-1 A of the directed graph of nearest neighbours, CSR float32 (n, n); each row sums to 1."""
    n = len(vectors)
    if n < 2:
        return sp.csr_array(sp.eye_array(n, format="csr", dtype=np.float32))
    a = knn(vectors, min(k, n - 1), rng=rng)
    a.data[:] = 1 / min(k, n - 1)
    return a


class Attach:
    """Neighbours of new cells among those of a graph.

    Parameters
    ----------
    vectors
        Cells of the graph, (n, d).
    k
        Neighbours.
    """

    def __init__(self, vectors: np.ndarray, k: int) -> None:
        from sklearn.neighbors import NearestNeighbors

        # a tree looks at one query at a time: the answer for a cell does not hang on who asks with it
        self._search = NearestNeighbors(n_neighbors=min(k, len(vectors)), algorithm="kd_tree").fit(vectors)
        self.n = len(vectors)

    def __call__(self, vectors: np.ndarray) -> sp.csr_array:
        """Return the rows of D^-1 A of new cells, CSR float32 (n_new, n)."""
        if len(vectors) == 0:
            return sp.csr_array((0, self.n), dtype=np.float32)
        index = self._search.kneighbors(vectors, return_distance=False)
        k = index.shape[1]
        rows = np.arange(0, index.size + 1, k)
        return sp.csr_array((np.full(index.size, 1 / k, np.float32), index.ravel(), rows), shape=(len(vectors), self.n))


def homophily(a: sp.csr_array, labels: np.ndarray) -> float:
    """Return the share of edges whose cells have one label.

    Parameters
    ----------
    a
        Graph (n, n); its entries are edges, loops do not count.
    labels
        Class of each cell, negative where it is not known: edges of such cells do not count.
    """
    coo = a.tocoo()
    counted = (coo.row != coo.col) & (labels[coo.row] >= 0) & (labels[coo.col] >= 0)
    if not counted.any():
        return float("nan")
    return float((labels[coo.row[counted]] == labels[coo.col[counted]]).mean())
