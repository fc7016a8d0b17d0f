"""What sets one group of cells apart: genes, edges and regulons that are higher in it than elsewhere."""

import numpy as np
import scipy.sparse as sp

LEAST_SHARE = 0.2
"""Standard deviations below this share of the median one are taken as that: a gene of three cells is no marker."""


def differences(x: sp.csr_array, groups: list[np.ndarray]) -> np.ndarray:
    """Return how much higher each gene is in each group than in all other cells, in standard deviations, float32 (n_groups, n_genes).

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_genes).
    groups
        Rows of each group. A cell of no group counts among the others.
    """
    n = x.shape[0]
    member = sp.csr_array(
        (np.ones(sum(map(len, groups))), (np.repeat(np.arange(len(groups)), list(map(len, groups))), np.concatenate(groups))),
        shape=(len(groups), n),
    )  # fmt: skip
    size = np.array([[len(g)] for g in groups], dtype=np.float64)
    squared = sp.csr_array((x.data**2, x.indices, x.indptr), shape=x.shape)
    # float64 throughout: sums of many float32 depend on the order of the cells
    sums, squares = (np.asarray((member @ m).todense(), dtype=np.float64) for m in (x, squared))
    total, total_square = (np.ones(n) @ m for m in (x, squared))
    rest = np.maximum(n - size, 1)
    inside, outside = sums / size, (total - sums) / rest
    variance = (squares - size * inside**2 + (total_square - squares) - rest * outside**2) / max(n - 2, 1)
    deviation = np.sqrt(np.maximum(variance, 0))
    floor = LEAST_SHARE * np.median(deviation[deviation > 0]) if (deviation > 0).any() else 1.0
    out = (inside - outside) / np.maximum(deviation, floor)
    out[(size == n).ravel()] = 0  # no other cells
    return out.astype(np.float32)


def edge_contrast(of_factor: np.ndarray, of_target: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Return how much more of an edge there is in a group than elsewhere: the less of what its two genes rise by.

    A target that the factor holds down (``sign`` of -1) is asked to fall. Edges whose factor is lower here get what the factor falls by.
    """
    return np.minimum(of_factor, np.where(sign < 0, -of_target, of_target))


def regulon_differences(apart: np.ndarray, weights: sp.csr_array) -> np.ndarray:
    """Return how much higher the genes of each regulon are in each group than in other cells, in standard deviations.

    Parameters
    ----------
    apart
        What :func:`differences` says of each gene, (n_groups, n_genes).
    weights
        Signed weight of each gene of each regulon, (n_tfs, n_genes).

    Returns
    -------
    ndarray
        float32 (n_groups, n_tfs), the weighted mean over the genes, each on its own scale: strong genes do not speak for all. A gene of
        negative weight is asked to fall. NaN for a factor without genes.
    """
    total = np.asarray(abs(weights).sum(axis=1)).ravel()
    found = np.asarray(weights @ apart.T).T
    return np.divide(found, total, out=np.full(found.shape, np.nan), where=total > 0).astype(np.float32)
