"""Which genes are neighbours on their chromosome."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools.graph.canonical import canonical


@door_of_arrays
def position(chromosome: np.ndarray, rank: np.ndarray, *, max_distance: int = 50) -> sp.csr_array:
    """Link genes that lie fewer than ``max_distance`` genes apart.

    Parameters
    ----------
    chromosome
        Name of the chromosome of each gene, "" if unknown, shape (n_genes,).
    rank
        Rank of each gene along its chromosome, int (n_genes,).
    max_distance
        As in Cell-Graph Compass, 50.

    Returns
    -------
    csr_array
        float32 (n_genes, n_genes), symmetric; weight 1 - distance / max_distance.

    Examples
    --------
    >>> sgt.graph.position(np.array(["1", "1", "2"]), np.array([10, 12, 11])).nnz
    2
    """
    n = len(chromosome)
    rows, columns, weights = [], [], []
    for name in np.unique(chromosome[chromosome != ""]):
        genes = np.flatnonzero(chromosome == name)
        genes = genes[np.argsort(rank[genes], kind="stable")]
        ranks = rank[genes].astype(np.int64)
        for step in range(1, len(genes)):  # the genes that follow a gene, nearest first
            distance = ranks[step:] - ranks[:-step]
            near = (distance > 0) & (distance < max_distance)
            if not (distance < max_distance).any():
                break
            rows.append(genes[:-step][near])
            columns.append(genes[step:][near])
            weights.append(1 - distance[near] / max_distance)
    if not rows:
        return sp.csr_array((n, n), dtype=np.float32)
    i, j, w = (np.concatenate(a) for a in (rows, columns, weights))
    return canonical(np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([w, w]), (n, n))
