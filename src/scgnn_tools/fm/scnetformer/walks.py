"""Gene2Vec: fixed vectors of genes from random walks over their graph, for early fusion without convolutions."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._axes import fixed_signs
from scgnn_tools._random import RNG, generator, seed

WALKS, LENGTH, WINDOW = 10, 20, 5
"""Walks from each gene, genes of a walk, and how far apart two of them are neighbours."""


def walk_vectors(graph: sp.csr_array, dim: int, *, rng: RNG = 0) -> np.ndarray:
    """Return the vector of each gene, float32 (n_genes, dim), of length 1; zeros for a gene without an edge.

    Genes that random walks pass closely get like vectors. It is the matrix that skip-gram with negative samples factorises, the positive
    pointwise mutual information of genes in a window (Levy & Goldberg, NeurIPS 2014), by its singular vectors.

    Parameters
    ----------
    graph
        Symmetric, any of whose entries makes an edge, (n_genes, n_genes).
    dim
        Length of the vectors.
    rng
        Seed of the walks.
    """
    from scipy.sparse.linalg import svds

    draws = generator(rng)
    nodes = np.flatnonzero(np.diff(graph.indptr))
    out = np.zeros((graph.shape[0], dim), dtype=np.float32)
    if len(nodes) < 3:
        return out
    near = _together(sp.csr_array(graph[nodes][:, nodes]), draws)
    total = near.sum()
    often = np.asarray(near.sum(axis=0)).ravel()
    places = near.tocoo()
    information = np.log(places.data * total / (often[places.row] * often[places.col]))
    positive = sp.csr_array((np.maximum(information, 0), (places.row, places.col)), shape=near.shape)
    k = min(dim, len(nodes) - 2)
    u, s, _ = svds(positive, k, rng=np.random.default_rng(seed(draws)))
    vectors = fixed_signs(u[:, ::-1]) * np.sqrt(np.maximum(s[::-1], 0))
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    out[nodes, :k] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return out


def _together(graph: sp.csr_array, draws: np.random.Generator) -> sp.csr_array:
    """Return how often two genes stand within a window of a walk, both ways, CSR float64."""
    n, degree = graph.shape[0], np.diff(graph.indptr)
    total = sp.csr_array((n, n))
    for _ in range(WALKS):
        walk = np.empty((LENGTH, n), dtype=np.int64)
        walk[0] = np.arange(n)
        for step in range(1, LENGTH):
            here = walk[step - 1]
            walk[step] = graph.indices[graph.indptr[here] + (draws.random(n) * degree[here]).astype(np.int64)]
        pairs = [(walk[:-d].ravel(), walk[d:].ravel()) for d in range(1, WINDOW + 1)]
        a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
        total = total + sp.csr_array((np.ones(len(a)), (a, b)), shape=(n, n))
    return sp.csr_array(total + total.T)
