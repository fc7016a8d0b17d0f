"""Counts of one cell are too few to correlate: what components say of a gene, and means over neighbouring cells."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.graph.knn import knn
from scgnn_tools.grn.evidence import depth_basis, moments

NEIGHBOURS = 30
COMPONENTS, CELLS_PER_COMPONENT = 30, 5
"""Components that neighbours are found by and a gene is seen through, at most; of the latter, cells for each of them, at least."""

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


def components(x: sp.csr_array, *, n: int = COMPONENTS, bins: np.ndarray | None = None, rng: RNG = 0) -> np.ndarray:
    """Return principal components of log-normalised cells over their most variable genes, float32 (n_cells, at most n).

    With ``bins`` of depth, of cells without what the bins say of them.
    """
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
    if bins is not None:
        depth = depth_basis(bins)
        values -= depth @ (depth.T @ values)
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


def fitted_correlations(
    x: sp.csr_array, tfs: np.ndarray, genes: np.ndarray, *, bins: np.ndarray, rank: int = COMPONENTS, rng: RNG = 0
) -> np.ndarray:
    """Return the correlation of what a few principal components say of columns ``tfs`` and ``genes``, at equal depth.

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_columns).
    tfs, genes
        Columns.
    bins
        Bin of depth of each cell; the components are of cells without the means of the bins.
    rank
        Components, at most; there are no more than a fifth of the cells.
    rng
        Seed of what finds them.

    Returns
    -------
    ndarray
        float32 (n_tfs, n_genes); 0 where the components say nothing of a gene.

    Notes
    -----
    A gene's least-squares fit on the components is what it shares with many others; the noise of its own counts is left behind. Cells are
    never made dense over all genes: only the loadings are.
    """
    some = components(x, n=max(1, min(rank, x.shape[0] // CELLS_PER_COMPONENT)), bins=bins, rng=rng).astype(np.float64)
    depth = depth_basis(bins)
    scores, spread, _ = np.linalg.svd(some - depth @ (depth.T @ some), full_matrices=False)
    scores = scores[:, spread > 1e-4 * max(spread[0], 1e-6)]
    used, place = np.unique(np.concatenate([tfs, genes]), return_inverse=True)
    fits = np.asarray(sp.csc_array(x)[:, used].T @ scores).T  # (rank, n_used), coordinates in an orthonormal basis
    length = np.linalg.norm(fits, axis=0)
    least = 1e-6 * max(float(length.max(initial=0.0)), 1e-6)
    fits = np.divide(fits, length, out=np.zeros_like(fits), where=length > least).astype(np.float32)
    return fits[:, place[: len(tfs)]].T @ fits[:, place[len(tfs) :]]
