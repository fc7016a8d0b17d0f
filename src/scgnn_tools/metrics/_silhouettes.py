"""Silhouettes in blocks of rows: the distances of all cells are never in memory at once."""

from typing import Literal

import numpy as np

Metric = Literal["euclidean", "cosine"]
Other = Literal["nearest", "all"]
BLOCK = 2**22
"""Distances that are in memory at once."""


def silhouettes(
    vectors: np.ndarray, *groupings: np.ndarray, metric: Metric = "euclidean", other: Other = "nearest"
) -> list[np.ndarray]:
    """Return the silhouette of each cell, (b - a) / max(a, b), float64 (n_cells,), for each grouping of the cells.

    Parameters
    ----------
    vectors
        (n_cells, d).
    groupings
        Codes of each cell's group, 0 to n_groups - 1, int (n_cells,); every group has a cell.
    metric
        Distance.
    other
        What b is: the mean distance to the "nearest" other group, or to the cells of "all" other groups (BRAS).

    Notes
    -----
    A cell alone in its group gets 0, as in scikit-learn; so do all cells of a single group.
    """
    x = np.asarray(vectors, dtype=np.float32)
    if metric == "cosine":
        length = np.linalg.norm(x, axis=1, keepdims=True)
        x = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    else:
        x = x - x.mean(axis=0)  # shorter vectors lose fewer digits in the differences of their squares
    n, sizes = len(x), [np.bincount(g) for g in groupings]
    members = np.concatenate(
        [np.eye(len(s), dtype=np.float32)[g] for g, s in zip(groupings, sizes, strict=True)], axis=1
    )
    squared, out = (x**2).sum(axis=1), [np.zeros(n) for _ in groupings]
    cuts = np.cumsum([len(s) for s in sizes])[:-1]
    step = max(1, BLOCK // n)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        distance = x[rows] @ x.T
        if metric == "cosine":
            np.subtract(1, distance, out=distance)
        else:
            distance *= -2
            distance += squared[rows, None]
            distance += squared
            np.sqrt(np.maximum(distance, 0, out=distance), out=distance)
        at = np.arange(rows.start, rows.stop)
        distance[at - start, at] = 0
        for i, sums in enumerate(np.split((distance @ members).astype(np.float64), cuts, axis=1)):
            if len(sizes[i]) > 1:
                out[i][rows] = _of_sums(sums, groupings[i][rows], sizes[i], other)
    return out


def _of_sums(sums: np.ndarray, groups: np.ndarray, size: np.ndarray, other: Other) -> np.ndarray:
    """Return silhouettes from the summed distances to each group, (n, n_groups)."""
    own = np.arange(len(groups)), groups
    inside = sums[own] / np.maximum(size[groups] - 1, 1)
    if other == "all":
        outside = (sums.sum(axis=1) - sums[own]) / (size.sum() - size[groups])
    else:
        means = sums / size
        means[own] = np.inf
        outside = means.min(axis=1)
    largest = np.maximum(inside, outside)
    value = np.divide(outside - inside, largest, out=np.zeros(len(groups)), where=largest > 0)
    return np.where(size[groups] > 1, value, 0.0)
