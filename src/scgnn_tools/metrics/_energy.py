"""The energy distance of two sets of cells, and whether it is more than chance (Székely & Rizzo; E-distance of Peidli et al. 2024)."""

import numpy as np

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, generator


@door_of_arrays
def energy_distance(x: np.ndarray, y: np.ndarray, *, n_permutations: int = 0, rng: RNG = 0) -> tuple[float, float]:
    """Return the squared energy distance of two sets, and its p-value among sets that are dealt out at random.

    Parameters
    ----------
    x, y
        Cells, (n, d) and (m, d).
    n_permutations
        Deals; without any the p-value is NaN.
    rng
        Of the deals.

    Returns
    -------
    tuple of float
        2 E‖x − y‖ − E‖x − x′‖ − E‖y − y′‖, each mean over pairs of different cells; (1 + deals as far) / (1 + deals).

    Examples
    --------
    >>> cells = adata.obsm["X_cgc-mini"]
    >>> b, t = cells[adata.obs["cell_type"] == "B cell"], cells[adata.obs["cell_type"] == "CD4 T cell"]
    >>> distance, p = sgt.metrics.energy_distance(b, t, n_permutations=99)
    >>> p < 0.05
    True
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        msg = f"Two sets of at least two cells of the same dimension are wanted; got {x.shape} and {y.shape}."
        raise InputValueError(msg)
    both = np.concatenate([x, y])
    square = (both**2).sum(axis=1)
    far = np.sqrt(np.maximum(square[:, None] + square - 2 * both @ both.T, 0))
    np.fill_diagonal(far, 0)
    first = np.zeros((len(both), n_permutations + 1))
    first[: len(x), 0] = 1
    draws = generator(rng)
    for i in range(n_permutations):
        first[draws.permutation(len(both))[: len(x)], i + 1] = 1
    distances = _of_deals(far, first, len(x), len(y))
    if not n_permutations:
        return float(distances[0]), float("nan")
    return float(distances[0]), float((1 + (distances[1:] >= distances[0]).sum()) / (1 + n_permutations))


def _of_deals(far: np.ndarray, first: np.ndarray, n: int, m: int) -> np.ndarray:
    """Return the distance for each column of ``first``, 1 for the cells of the first set."""
    second = 1 - first
    inside, across = far @ first, far @ second
    xx, yy = (first * inside).sum(axis=0), (second * across).sum(axis=0)
    xy = (first * across).sum(axis=0)
    return 2 * xy / (n * m) - xx / (n * (n - 1)) - yy / (m * (m - 1))
