"""Cells that a graph is made of where all are too many: every class has some, and who is drawn is decided by content."""

import numpy as np

from scgnn_tools.data.drawn import shares
from scgnn_tools.data.order import by_content
from scgnn_tools.labels._protocol import Cells

MOST = 20_000
"""Cells of a graph, its unlabelled ones among them; the others are attached to it when they ask."""


def landmarks(cells: Cells, most: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Return which cells are drawn, sorted positions, int64 (at most ``most``,): all if they are no more.

    Parameters
    ----------
    cells
        The cells.
    most
        So many are drawn.
    labels
        Class of each cell, int (n_cells,): small classes are kept whole, and large ones give as many cells each. None draws from all alike.
    """
    if len(cells) <= most:
        return np.arange(len(cells))
    order = by_content(cells.expression)
    if labels is None:
        return np.sort(order[:most])
    groups = [order[labels[order] == c] for c in np.unique(labels)]
    return np.sort(
        np.concatenate([g[:n] for g, n in zip(groups, shares(np.array([len(g) for g in groups]), most), strict=True)])
    )
