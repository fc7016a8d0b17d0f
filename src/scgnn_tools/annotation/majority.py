"""A label for each cluster: the one that most of its cells have, as CellTypist's majority voting (Domínguez Conde et al., Science 2022)."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import choice
from scgnn_tools._columns import column_of
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import igraph_seed
from scgnn_tools.graph import knn

if TYPE_CHECKING:
    from anndata import AnnData

LEIDEN = "leiden"
N_NEIGHBORS = 15
RESOLUTIONS = ((5_000, 5.0), (20_000, 10.0), (40_000, 15.0), (100_000, 20.0), (200_000, 25.0))
"""Cells below which a resolution holds; more than the last take 30. CellTypist's."""


def given_clusters(adata: "AnnData", majority: bool | str) -> np.ndarray | None:  # noqa: FBT001 (as the user passes it)
    """Return the clusters that the user has, int (n_obs,) and -1 for none; None if they are to be made, or are not wanted.

    Raises
    ------
    InputValueError, MissingKeyError
        If ``majority`` is no flag, no "leiden" and no column of ``obs``.
    """
    if not isinstance(majority, str):
        choice("majority", majority, (True, False))
        return None
    if majority == LEIDEN and LEIDEN not in adata.obs:
        return None
    codes = pd.factorize(column_of(adata.obs, majority, "majority"))[0]
    if codes.max(initial=-1) < 0:
        msg = f"majority={majority!r} is a column without values. Pass a column of clusters, or True to make some."
        raise InputValueError(msg)
    return codes


def overclusters(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Return small clusters of cells, Leiden on the graph of their nearest neighbours, int (n_cells,).

    Parameters
    ----------
    vectors
        (n_cells, dimension).
    seed
        Of the search and of Leiden.
    """
    import igraph

    n = len(vectors)
    if n <= N_NEIGHBORS + 1:
        return np.zeros(n, dtype=np.int64)
    near = knn(vectors, N_NEIGHBORS, rng=seed)
    both = sp.coo_array(sp.triu((near + near.T) > 0, k=1))
    one = sp.coo_array(both) if both.nnz else sp.coo_array((n, n))
    graph = igraph.Graph(n, np.stack(one.coords, axis=1).tolist())
    resolution = next((r for most, r in RESOLUTIONS if n < most), 30.0)
    with igraph_seed(seed):
        found = graph.community_leiden(objective_function="modularity", resolution=resolution, n_iterations=2)
    return np.array(found.membership, dtype=np.int64)


def vote(labels: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the label that most cells of each cell's cluster have, and their share of it, float32 (n_cells,).

    A tie goes to the first label by name. A cell of no cluster (-1) keeps its own label, and has no share.
    """
    names, codes = np.unique(labels.astype(str), return_inverse=True)
    count = np.zeros((clusters.max(initial=-1) + 1, len(names)), dtype=np.int64)
    at = np.flatnonzero(clusters >= 0)
    np.add.at(count, (clusters[at], codes[at]), 1)
    out, share = labels.astype(object), np.full(len(labels), np.nan, dtype=np.float32)
    out[at] = names[count.argmax(axis=1)[clusters[at]]]
    share[at] = (count.max(axis=1, initial=0) / np.maximum(count.sum(axis=1), 1))[clusters[at]]
    return out, share
