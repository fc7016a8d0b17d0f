"""How far cells lie from the nearest of a reference, exactly, for many of both."""

import numba
import numpy as np

from scgnn_tools.graph.cosine import unit_length

BLOCK = 2**23
"""Similarities that are held at once."""


class Nearness:
    """The mean cosine distance to the ``k`` nearest reference cells.

    A product of blocks and one pass over them: neither the distances of all pairs nor a sorted list of them are made.

    Parameters
    ----------
    vectors
        Of the reference, (n_reference, d); a vector of zeros is at distance 1 from all.
    k
        How many; all of them if there are fewer.
    """

    def __init__(self, vectors: np.ndarray, k: int) -> None:
        self._unit, self._k = _unit(vectors), min(k, len(vectors))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return the mean distance of each cell, float64 (n_cells,), from vectors (n_cells, d)."""
        out, size = np.empty(len(vectors)), max(1, BLOCK // len(self._unit))
        for start in range(0, len(vectors), size):
            block = slice(start, start + size)
            _mean_of_largest(_unit(vectors[block]) @ self._unit.T, self._k, out[block])
        return np.maximum(1 - out, 0)


def _unit(x: np.ndarray) -> np.ndarray:
    return unit_length(np.asarray(x, dtype=np.float32))


@numba.njit(cache=True, nogil=True)
def _mean_of_largest(x: np.ndarray, k: int, out: np.ndarray) -> None:
    best = np.empty(k, dtype=np.float32)
    for row in range(x.shape[0]):
        best[:] = -np.inf
        for value in x[row]:
            if value > best[0]:  # the smallest of the best, which stand in order
                at = 0
                while at + 1 < k and value > best[at + 1]:
                    best[at] = best[at + 1]
                    at += 1
                best[at] = value
        out[row] = best.sum() / k
