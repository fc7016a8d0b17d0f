"""Groups of genes whose vectors are alike, and how much more alike they are than others."""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, igraph_seed, seed
from scgnn_tools.graph import cosine_topk

FIRST_RESOLUTION = 40.0


def find_programs(
    vectors: np.ndarray,
    *,
    n_neighbors: int = 15,
    resolution: float | Literal["auto"] = "auto",
    min_genes: int = 5,
    rng: RNG = 0,
) -> tuple[np.ndarray, float]:
    """Return the program of each gene and the resolution, which "auto" halves from 40 on until there are two programs.

    Parameters
    ----------
    vectors
        (n_genes, d), finite.
    n_neighbors, resolution, min_genes, rng
        As in :func:`scgnn_tools.tl.gene_programs`.

    Returns
    -------
    tuple
        The programs from 0, the largest, on; -1 for genes in none, int64 (n_genes,); and the resolution.

    Examples
    --------
    >>> program, resolution = sgt.gene_tasks.find_programs(adata.varm["cgc-mini"])
    >>> program.shape, resolution
    ((1000,), 40.0)
    """
    drawn = seed(rng)
    if resolution != "auto":
        return cluster(vectors, n_neighbors, float(resolution), min_genes, drawn), float(resolution)
    at = FIRST_RESOLUTION
    while True:
        found = cluster(vectors, n_neighbors, at, min_genes, drawn)
        if found.max() >= 1 or at < 0.5:
            return found, at
        at /= 2


def cluster(vectors: np.ndarray, n_neighbors: int, resolution: float, min_genes: int, seed: int) -> np.ndarray:
    """Return the program of each gene, largest first, -1 for genes in a small group, int64 (n,)."""
    import igraph

    links = cosine_topk(vectors, n_neighbors)
    both = sp.coo_array(sp.triu(links.maximum(links.T), k=1))
    graph = igraph.Graph(len(vectors), list(zip(both.row.tolist(), both.col.tolist(), strict=True)))
    with igraph_seed(seed):
        found = graph.community_leiden(
            objective_function="modularity", weights=both.data.tolist(), resolution=resolution, n_iterations=10
        )
    label = np.array(found.membership)
    sizes = np.bincount(label, minlength=1)
    order = np.argsort(-sizes, kind="stable")
    rank = np.full(len(sizes), -1)
    large = order[sizes[order] >= min_genes]
    rank[large] = np.arange(len(large))
    return rank[label]


def cohesion(vectors: np.ndarray, program: np.ndarray) -> np.ndarray:
    """Return the mean cosine within each program minus that to the genes of others, (n_programs,)."""
    unit = vectors[program >= 0] / np.linalg.norm(vectors[program >= 0], axis=1, keepdims=True)
    program = program[program >= 0]
    total, out = unit.sum(axis=0), []
    for p in range(program.max() + 1):
        own = unit[program == p]
        m, rest = len(own), len(unit) - len(own)
        inside = ((own.sum(axis=0) ** 2).sum() - m) / (m * (m - 1)) if m > 1 else np.nan
        outside = own.sum(axis=0) @ (total - own.sum(axis=0)) / (m * rest) if rest else 0.0
        out.append(inside - outside)
    return np.array(out)
