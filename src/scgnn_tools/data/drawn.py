"""Cells that are drawn where all are more than a method needs: by what they hold, so that their order decides nothing."""

import numpy as np

from scgnn_tools.data import rows as _rows
from scgnn_tools.data.expression import Expression


def drawn_cells(expression: Expression, most: int | None, strata: np.ndarray | None = None) -> np.ndarray | None:
    """Return which cells are drawn, sorted positions, int64 (at most ``most``,); None for all. Reads the matrix once, a chunk at a time.

    Parameters
    ----------
    expression
        The matrix.
    most
        So many are drawn if there are more; None takes all.
    strata
        Group of each cell, int (n_obs,): small groups are kept whole, and large ones give as many cells each. None draws from all alike.
    """
    if most is None or expression.n_obs <= most:
        return None
    keys = np.concatenate([_rows.fingerprints(block) for _, block in expression.rows()])
    if strata is None:
        return np.sort(np.argsort(keys, kind="stable")[:most])
    groups = [np.flatnonzero(strata == g) for g in np.unique(strata)]
    of_each = shares(np.array([len(g) for g in groups]), most)
    return np.sort(
        np.concatenate([g[np.argsort(keys[g], kind="stable")[:n]] for g, n in zip(groups, of_each, strict=True)])
    )


def shares(sizes: np.ndarray, most: int) -> np.ndarray:
    """Return how many are taken of groups of these sizes: at most ``most`` together, alike of all but those that have fewer, int."""
    out, left = np.zeros(len(sizes), dtype=np.int64), most
    order = np.argsort(sizes, kind="stable")
    for place, group in enumerate(order):
        out[group] = min(sizes[group], left // (len(order) - place))
        left -= out[group]
    return out
