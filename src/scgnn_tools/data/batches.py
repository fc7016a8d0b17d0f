"""Batches of cells of like length, so that hardly anything is padded."""

import numpy as np

from scgnn_tools._doors import door_of_arrays

CHUNK = 8192
"""Cells that are read, tokenised and sorted at once: enough to waste about 1 % on padding, little enough to lose."""


@door_of_arrays
def length_batches(lengths: np.ndarray, *, max_tokens: int, max_cells: int | None = None) -> list[np.ndarray]:
    """Group the cells of one chunk into batches of like length.

    Parameters
    ----------
    lengths
        Tokens of each cell, shape (n_cells,).
    max_tokens
        Budget of a batch, padding included: longest cell × cells. A cell longer than that gets a batch of its own.
    max_cells
        Most cells in a batch.

    Returns
    -------
    list of int64 arrays
        Indices of cells; every cell is in one batch. Cells of equal length keep their order.

    Examples
    --------
    >>> batches = sgt.data.length_batches(np.array([10, 200, 12, 180]), max_tokens=400)
    >>> [b.tolist() for b in batches]
    [[1, 3], [2, 0]]
    """
    order = np.argsort(lengths, kind="stable")[::-1]
    batches, start = [], 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        size = max(1, max_tokens // longest)
        if max_cells is not None:
            size = min(size, max_cells)
        batches.append(order[start : start + size])
        start += size
    return batches
