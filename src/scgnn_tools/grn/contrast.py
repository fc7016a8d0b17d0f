"""What sets one group of cells apart: genes, edges and regulons that are higher in it than elsewhere."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.grn.evidence import moments

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
    sums, squares = (np.asarray((member @ m).todense(), dtype=np.float64) for m in (x, x.multiply(x).tocsr()))
    total, total_square = (np.asarray(m.sum(axis=0), dtype=np.float64).ravel() for m in (x, x.multiply(x)))
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


def regulon_differences(
    x: sp.csr_array, weights: sp.csr_array, own: np.ndarray, groups: list[np.ndarray]
) -> np.ndarray:
    """Return how much more active each regulon is in each group than in all other cells, in standard deviations.

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_genes).
    weights
        Signed weight of each target of each factor, (n_tfs, n_genes).
    own
        Column of each factor, left out of its regulon: the question is what its targets do.
    groups
        As in :func:`differences`.

    Returns
    -------
    ndarray
        float32 (n_groups, n_tfs); NaN for a factor without targets. Activity is the weighted mean of the targets' expression, each at
        mean 0 and variance 1 over the cells, less what the cell has on average.
    """
    links = sp.lil_array(weights)
    links[np.arange(len(own)), own] = 0
    links = sp.csr_array(links)
    links.eliminate_zeros()
    size = np.asarray(abs(links).sum(axis=1)).ravel()
    mean, deviation = moments(x)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6)
    links = links @ sp.diags_array(scale)
    activity = np.asarray((x @ links.T).todense()) - np.asarray(links @ mean)
    overall = np.asarray(x @ scale) - mean @ scale
    net = np.asarray(sp.csr_array(weights).sum(axis=1)).ravel()
    activity -= np.outer(overall / max(np.count_nonzero(scale), 1), net)
    out = differences(sp.csr_array(activity.astype(np.float32)), groups)
    out[:, size == 0] = np.nan
    return out
