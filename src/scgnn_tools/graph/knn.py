"""Nearest neighbours of cells."""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GraphError, warn
from scgnn_tools._random import RNG, seed

EXACT_UP_TO = 20_000


@door_of_arrays
def knn(
    vectors: np.ndarray, k: int, *, metric: Literal["euclidean", "cosine"] = "euclidean", rng: RNG = 0
) -> sp.csr_array:
    """Return the distances to the ``k`` nearest other rows.

    Exact up to 20,000 rows; above that by pynndescent, the approximate search that scanpy uses.

    Parameters
    ----------
    vectors
        (n, d), finite.
    k
        Neighbours, the row itself not counted.
    metric
        Distance.
    rng
        Seed of the approximate search.

    Returns
    -------
    csr_array
        float32 (n, n), k entries a row; a distance of zero is stored too.

    Raises
    ------
    GraphError
        If a vector is not finite, or there is one row only.

    Examples
    --------
    >>> sgt.graph.knn(adata.obsm["X_cgc-mini"], 10).shape
    (206, 206)
    """
    n = len(vectors)
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(axis=1)).sum())
        msg = f"{bad} of {n} vectors hold NaN or infinity; neighbours need finite vectors."
        raise GraphError(msg)
    if n < 2:
        msg = f"Neighbours need at least two rows; there is {n}."
        raise GraphError(msg)
    if k >= n:
        warn(f"k={k} neighbours asked of {n} rows; taking {n - 1}.")
        k = n - 1
    if n <= EXACT_UP_TO:
        from sklearn.neighbors import NearestNeighbors

        # without an argument the query leaves out each row itself, also among duplicates
        distance, index = NearestNeighbors(n_neighbors=k, metric=metric).fit(vectors).kneighbors()
    else:
        from pynndescent import NNDescent

        search = NNDescent(vectors, n_neighbors=k + 1, metric=metric, random_state=seed(rng))
        index, distance = search.neighbor_graph
        distance, index = _without_self(distance, index, k)
    out = sp.csr_array((distance.ravel().astype(np.float32), index.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    out.sort_indices()
    return out


def _without_self(distance: np.ndarray, index: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop each row from its own list of k + 1, or the farthest where it is not in it."""
    own = index == np.arange(len(index))[:, None]
    own[~own.any(axis=1), -1] = True
    return distance[~own].reshape(-1, k), index[~own].reshape(-1, k)
