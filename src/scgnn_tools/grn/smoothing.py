"""Counts of one cell are too few to correlate: what components say of a gene, and means over neighbouring cells."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.graph.knn import knn
from scgnn_tools.grn.evidence import depth_basis, moments, subtract_depth

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


@dataclass(frozen=True)
class Axes:
    """Principal components of cells at equal depth, and how far each is to be trusted.

    Attributes
    ----------
    cells
        Orthonormal, float64 (n_cells, n).
    trust
        Share of what each says that is no noise, in [0, 1], float64 (n,): its variance, over that and the most that a component of
        permuted cells has.
    """

    cells: np.ndarray
    trust: np.ndarray


def axes(
    x: sp.csr_array, *, n: int = COMPONENTS, bins: np.ndarray, trust: np.ndarray | None = None, rng: RNG = 0
) -> Axes:
    """Return principal components of log-normalised cells without what the bins of depth say of them.

    Parameters
    ----------
    x
        (n_cells, n_genes).
    n
        Components, at most; there are no more than a fifth of the cells.
    bins
        Bin of depth of each cell.
    trust
        How far each is to be trusted: for permuted cells what the cells as they were have. None measures it.
    rng
        Seed.
    """
    from sklearn.utils.extmath import randomized_svd

    rng = generator(rng)
    number = seed(rng)
    values = _standardised(x, bins)
    n = max(1, min(n, x.shape[0] // CELLS_PER_COMPONENT, values.shape[1]))
    if not values.shape[1]:
        return Axes(np.zeros((x.shape[0], 1)), np.zeros(1))
    u, s, _ = randomized_svd(values, n, n_iter=4, random_state=number)
    if trust is None:
        for b in range(bins.max() + 1):
            values[bins == b] = rng.permuted(values[bins == b], axis=0)
        noise = randomized_svd(values, 1, n_iter=4, random_state=number)[1][0]
        trust = s**2 / np.maximum(s**2 + noise**2, 1e-12)
    k = min(len(trust), int((s > 1e-4 * max(float(s[0]), 1e-6)).sum()))
    return Axes(u[:, :k].astype(np.float64), trust[:k].astype(np.float64))


def components(x: sp.csr_array, *, n: int = COMPONENTS, rng: RNG = 0) -> np.ndarray:
    """Return principal components of log-normalised cells over their most variable genes, float32 (n_cells, at most n)."""
    from sklearn.utils.extmath import randomized_svd

    values = _standardised(x)
    n = min(n, x.shape[0] - 1, values.shape[1])
    if n < 1:
        return np.zeros((x.shape[0], 1), dtype=np.float32)
    u, s, _ = randomized_svd(values, n, n_iter=4, random_state=seed(rng))
    return (u * s).astype(np.float32)


def _standardised(x: sp.csr_array, bins: np.ndarray | None = None) -> np.ndarray:
    """Return the most variable genes at mean 0 and variance 1, without what bins of depth say of them, float32 (n_cells, n_some)."""
    mean, deviation = moments(x)
    dispersion = np.divide(deviation**2, mean + 1e-3, out=np.zeros_like(mean), where=deviation > 1e-6)
    some = np.sort(np.argsort(-dispersion, kind="stable")[:MOST_GENES])
    some = some[dispersion[some] > 0]
    values = sp.csc_array(x)[:, some].toarray().astype(np.float32, copy=False)
    values -= mean[some].astype(np.float32)
    values /= deviation[some].astype(np.float32)
    np.clip(values, -10, 10, out=values)
    if bins is not None:
        subtract_depth(values, depth_basis(bins))
    return values


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
    x: sp.csr_array, tfs: np.ndarray, genes: np.ndarray, *, bins: np.ndarray, by: Axes
) -> np.ndarray:
    """Return the correlation of what a few principal components say of columns ``tfs`` and ``genes``, at equal depth.

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_columns).
    tfs, genes
        Columns.
    bins
        Bin of depth of each cell.
    by
        The components, of cells without the means of the bins.

    Returns
    -------
    ndarray
        float32 (n_tfs, n_genes); 0 where the components say nothing of a gene.

    Notes
    -----
    A gene's least-squares fit on the components is what it shares with many others; the noise of its own counts is left behind. What a
    component adds to a correlation counts as far as the component is trusted. The fit of a gene is as long as it is and as the noise of
    its counts makes it: a gene of few counts comes near to nothing, and does not correlate with everything by chance.
    Cells are never made dense over all genes: only the loadings are.
    """
    used, place = np.unique(np.concatenate([tfs, genes]), return_inverse=True)
    some = sp.csc_array(x)
    some = some if len(used) == x.shape[1] else some[:, used]
    fits = np.asarray(some.T @ by.cells).T  # (n_components, n_used), coordinates in an orthonormal basis
    depth = depth_basis(bins)
    squares = sp.csc_array((some.data**2, some.indices, some.indptr), shape=some.shape)
    total = np.asarray(squares.sum(axis=0)).ravel() - (np.asarray(some.T @ depth) ** 2).sum(axis=1)
    free = max(1, x.shape[0] - depth.shape[1] - len(fits))
    noise = np.maximum(total - (fits**2).sum(axis=0), 0) / free  # of one coordinate
    fits *= np.sqrt(by.trust)[:, None]
    length = np.sqrt((fits**2).sum(axis=0) + noise * by.trust.sum())
    least = 1e-6 * max(float(length.max(initial=0.0)), 1e-6)
    fits = np.divide(fits, length, out=np.zeros_like(fits), where=length > least).astype(np.float32)
    return fits[:, place[: len(tfs)]].T @ fits[:, place[len(tfs) :]]
