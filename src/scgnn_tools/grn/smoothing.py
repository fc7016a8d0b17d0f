"""Means over neighbouring cells: counts of one cell are too few to correlate."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.graph.knn import knn
from scgnn_tools.grn.evidence import moments

NEIGHBOURS = 30
WITHIN = 20
"""Neighbours in a group of cells, which is smaller."""

COMPONENTS = 30
MOST_GENES, MOST_CELLS = 2000, 5000
"""Genes that the neighbours are found by; cells that means are made at."""


def canonical_order(x: sp.csr_array) -> np.ndarray:
    """Return an order of the cells that depends on what is in them, not on how they came: what is drawn is then the same.

    Columns have to be in an order of their own, such as by name.
    """
    n_genes = x.shape[1]
    first, second = (np.cos(np.arange(n_genes) * f) for f in (0.7548776662466927, 0.5698402909980532))
    weights = np.stack([np.ones(n_genes), first, second], axis=1)
    total, one, two = (np.asarray(x @ weights)).T
    return np.lexsort((two, one, total))


def components(x: sp.csr_array, *, n: int = COMPONENTS, rng: RNG = 0) -> np.ndarray:
    """Return principal components of log-normalised cells over their most variable genes, float32 (n_cells, at most n)."""
    from sklearn.utils.extmath import randomized_svd

    n_cells = x.shape[0]
    mean, deviation = moments(x)
    dispersion = np.divide(deviation**2, mean + 1e-3, out=np.zeros_like(mean), where=deviation > 1e-6)
    some = np.sort(np.argsort(-dispersion, kind="stable")[:MOST_GENES])
    some = some[dispersion[some] > 0]
    n = min(n, n_cells - 1, len(some))
    if n < 1:
        return np.zeros((n_cells, 1), dtype=np.float32)
    values = sp.csc_array(x)[:, some].toarray().astype(np.float32)
    values -= mean[some].astype(np.float32)
    values /= deviation[some].astype(np.float32)
    np.clip(values, -10, 10, out=values)
    u, s, _ = randomized_svd(values, n, n_iter=4, random_state=seed(rng))
    return (u * s).astype(np.float32)


def neighbour_means(
    x: sp.csr_array, *, k: int = NEIGHBOURS, most: int | None = MOST_CELLS, rng: RNG = 0
) -> sp.csr_array:
    """Return the matrix that takes cells to means over a cell and its ``k`` neighbours, float32 (n_means, n_cells).

    A mean is made at every cell, or at ``most`` drawn ones if there are more. Rows sum to 1. Of few
    cells a quarter are neighbours.
    """
    rng = generator(rng)
    n = x.shape[0]
    k = min(k, max(1, n // 4))
    near = knn(components(x, rng=rng), k, rng=rng)
    near.data[:] = 1.0
    means = sp.csr_array((near + sp.eye_array(n, dtype=np.float32, format="csr")) / np.float32(k + 1))
    if most is not None and n > most:
        means = means[np.sort(rng.choice(n, most, replace=False))]
    return means.astype(np.float32)
