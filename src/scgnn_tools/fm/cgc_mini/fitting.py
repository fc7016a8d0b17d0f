"""How the trained gene vectors of ``cgc-mini`` come from cells without labels: pure functions of matrices."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from scgnn_tools._axes import fixed_signs

CLUSTERS = 20
CELLS_A_CLUSTER = 10


def telling_vectors(
    x: sp.csr_array, *, dimension: int, power: float, whitening: float, source: np.ndarray | None = None
) -> np.ndarray:
    """Return vectors of genes such that the sum over a cell's genes tells kinds of cells apart.

    A singular value decomposition of genes that are first divided by a power of their standard deviation; then directions in which
    cells of one cluster differ are shrunk (within-class covariance normalisation, with k-means in the place of classes).

    Parameters
    ----------
    x
        Log-normalised expression, (n_cells, n_genes).
    dimension
        Length of a vector.
    power
        Of the standard deviation by which a gene is divided, 0 to 1.
    whitening
        0 leaves directions as they are, 0.5 gives all the same spread within clusters.
    source
        The data set of each cell, int (n_cells,); clusters are made within one. None: all of one.

    Returns
    -------
    ndarray
        float64 (n_genes, dimension); zeros for a gene that no cell expresses. The root mean square length of a cell's vector is 1.
    """
    x = sp.csr_array(x, dtype=np.float64)
    mean, square = np.asarray(x.mean(axis=0)).ravel(), np.asarray(x.multiply(x).mean(axis=0)).ravel()
    weight = (np.maximum(square - mean**2, 0) + 0.01) ** (-power / 2)
    _, _, vt = svds(sp.csr_array(x @ sp.diags_array(weight)), dimension, rng=np.random.default_rng(0))
    vectors = weight[:, None] * vt.T
    vectors[mean == 0] = 0
    cells = x @ vectors
    if whitening:
        spread, directions = np.linalg.eigh(_within(cells, np.zeros(len(cells), int) if source is None else source))
        shrunk = (spread + np.median(spread) / 2) ** -whitening
        vectors, cells = vectors @ (directions * shrunk), cells @ (directions * shrunk)
    vectors /= np.sqrt((cells**2).sum(axis=1).mean())
    return fixed_signs(vectors)


def _within(cells: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the covariance of cells about the centres of their clusters."""
    from sklearn.cluster import KMeans

    scatter = np.zeros((cells.shape[1],) * 2)
    for one in np.unique(source):
        own = cells[source == one]
        n = min(CLUSTERS, max(1, len(own) // CELLS_A_CLUSTER))
        found = KMeans(n, n_init=3, random_state=0).fit(own)
        off = own - found.cluster_centers_[found.labels_]
        scatter += off.T @ off
    return scatter / len(cells)
