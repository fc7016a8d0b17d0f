"""What cells say of every factor and gene: one correlation matrix, of cells or of means of neighbouring cells."""

import numpy as np
import scipy.sparse as sp

N_BINS, LEAST = 20, 10
"""Bins of depth, and cells in one, at least."""

BLOCK = 1024
"""Genes that are dense at a time."""

ROWS, COLUMNS = 2048, 256
"""Cells, and genes, that something is worked out for at a time beside a dense block: it is then there once."""


def correlations(
    x: sp.csr_array,
    tfs: np.ndarray,
    genes: np.ndarray,
    *,
    means: sp.csr_array | None = None,
    bins: np.ndarray | None = None,
    ridge: float | None = None,
) -> np.ndarray:
    """Return the correlation of columns ``tfs`` with columns ``genes`` at equal depth, float32 (n_tfs, n_genes).

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_columns).
    tfs, genes
        Columns.
    means
        Means over cells that are correlated instead of the cells, (n_means, n_cells).
    bins
        Bin of depth of each cell; None takes :func:`depth_bins`.
    ridge
        Penalty of a ridge regression of each gene on all factors at once, whose coefficients are returned instead: what a factor
        says beyond the others. The coefficient of a factor for itself means nothing.

    Notes
    -----
    Partial Pearson correlation, given how many genes a cell expresses, in bins: in deep cells every gene is seen more often, and the
    logarithm of a count does not undo that. 0 where a gene is constant.
    """
    values = Standardised(x, means, bins)
    factors = values(tfs)
    out = np.empty((len(tfs), len(genes)), dtype=np.float32)
    for start in range(0, len(genes), BLOCK):
        out[:, start : start + BLOCK] = factors.T @ values(genes[start : start + BLOCK])
    if ridge is not None:
        out = np.linalg.solve(factors.T @ factors + ridge * np.eye(len(tfs), dtype=np.float32), out)
    return out


def depth_bins(x: sp.csr_array, n_bins: int = N_BINS) -> np.ndarray:
    """Return the bin of each cell by how many genes it expresses: evenly filled, at least 10 cells each, cells of one depth together."""
    depth = np.diff(x.indptr)
    inner = np.quantile(depth, np.linspace(0, 1, max(1, min(n_bins, len(depth) // LEAST)) + 1)[1:-1])
    _, out = np.unique(np.digitize(depth, np.unique(inner)), return_inverse=True)
    return out


def depth_basis(bins: np.ndarray, means: sp.csr_array | None = None) -> np.ndarray:
    """Return an orthonormal basis of what the bins of depth can say of the cells, or of means over them, float32 (n_cells, n)."""
    depth = np.eye(bins.max() + 1, dtype=np.float32)[bins]  # (n_cells, n_bins)
    u, s, _ = np.linalg.svd(depth if means is None else means @ depth, full_matrices=False)
    return u[:, s > 1e-4 * s[0]]


class Standardised:
    """Columns of log-normalised cells, or of means over them, without what depth says, each of length 1; 0 for a constant one.

    Parameters
    ----------
    x
        (n_cells, n_columns).
    means
        (n_means, n_cells); None takes the cells themselves.
    bins
        Bin of depth of each cell; None takes :func:`depth_bins`.
    """

    def __init__(self, x: sp.csr_array, means: sp.csr_array | None = None, bins: np.ndarray | None = None) -> None:
        self._x, self._means = sp.csc_array(x), means
        place = depth_bins(sp.csr_array(x)) if bins is None else bins
        self._depth = depth_basis(place, means)

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Return columns, float32 (n_means or n_cells, len(columns))."""
        some = self._x[:, columns]
        values = (some if self._means is None else self._means @ sp.csr_array(some)).toarray()
        values = values.astype(np.float32, copy=False)
        size = _lengths(values)
        subtract_depth(values, self._depth)
        length = _lengths(values)
        fine = length > 1e-4 * np.maximum(size, 1e-6)
        values /= np.where(fine, length, 1)
        values[:, ~fine] = 0
        return values


def subtract_depth(values: np.ndarray, depth: np.ndarray) -> None:
    """Take what a basis of depth says of the cells out of dense columns, in place."""
    told = depth.T @ values
    for start in range(0, len(values), ROWS):
        values[start : start + ROWS] -= depth[start : start + ROWS] @ told


def _lengths(values: np.ndarray) -> np.ndarray:
    """Return the length of each column."""
    parts = range(0, values.shape[1], COLUMNS)
    return np.concatenate([np.linalg.norm(values[:, s : s + COLUMNS], axis=0) for s in parts] or [np.zeros(0)])


def moments(x: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column, float64."""
    n, d = x.shape
    values = x.data.astype(np.float64)
    mean = np.bincount(x.indices, weights=values, minlength=d) / n
    square = np.bincount(x.indices, weights=np.square(values, out=values), minlength=d) / n
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
