"""Clusters of cells against their labels: Leiden on the graph that UMAP makes, and k-means."""

import warnings

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, igraph_seed, seed
from scgnn_tools.metrics._neighbors import Neighbors

RESOLUTIONS = np.round(np.arange(0.2, 2.01, 0.2), 1)
STARTS = 5
"""Of k-means."""


def agreement(labels: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Return the normalised mutual information (arithmetic) and the adjusted Rand index."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, clusters)), float(adjusted_rand_score(labels, clusters))


def leiden(near: Neighbors, labels: np.ndarray, *, rng: RNG = 0) -> tuple[float, float, float]:
    """Return NMI, ARI and the resolution, of those from 0.2 to 2.0, at which NMI is best."""
    import igraph

    edges = sp.coo_array(
        fuzzy_graph(near)
    )  # each pair twice, in the order of rows: scib-metrics' graph, and so its random draws
    graph = igraph.Graph(len(labels), np.stack(edges.coords, axis=1).tolist())
    best = (-1.0, 0.0, 0.0)
    for resolution in RESOLUTIONS:
        with igraph_seed(seed(rng)):
            found = graph.community_leiden(
                objective_function="modularity", weights=edges.data.tolist(), resolution=float(resolution)
            )
        nmi, ari = agreement(labels, np.array(found.membership))
        if nmi > best[0]:
            best = (nmi, ari, float(resolution))
    return best


def kmeans(vectors: np.ndarray, labels: np.ndarray, *, rng: RNG = 0) -> tuple[float, float]:
    """Return NMI and ARI of k-means at the true number of labels."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than labels: one-hot controls
        fitted = KMeans(len(np.unique(labels)), n_init=STARTS, random_state=seed(rng)).fit(vectors)
    return agreement(labels, fitted.labels_)


def fuzzy_graph(near: Neighbors) -> sp.csr_array:
    """Return UMAP's weights between neighbours (McInnes et al. 2018): 1 for the nearest, falling so that a row sums to log2(k).

    The union of both directions, a + b - ab, symmetric, float64 (n_cells, n_cells).
    """
    n, k = near.index.shape
    d = near.distance[:, 1:]
    positive = np.where(d > 0, d, np.inf).min(axis=1)
    nearest = np.where(np.isfinite(positive), positive, 0.0)
    beyond = np.maximum(d - nearest[:, None], 0)
    low, high, width = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(64):
        above = np.exp(-beyond / width[:, None]).sum(axis=1) - np.log2(k) > 0
        high, low = np.where(above, width, high), np.where(above, low, width)
        width = np.where(np.isinf(high), width * 2, (low + high) / 2)
    width = np.maximum(width, 1e-3 * np.where(nearest > 0, near.distance.mean(axis=1), near.distance.mean()))
    weight = np.exp(-beyond / np.maximum(width, 1e-12)[:, None])
    graph = sp.csr_array(
        (weight.ravel(), near.index[:, 1:].ravel(), np.arange(0, n * (k - 1) + 1, k - 1)), shape=(n, n)
    )
    both = graph.multiply(graph.T)
    out = sp.csr_array(graph + graph.T - both)
    out.sort_indices()
    return out
