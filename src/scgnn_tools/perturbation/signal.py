"""Is there anything to predict? Cells, energy distance, changed genes and agreement of halves, a row a condition."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from scgnn_tools._random import RNG, generator
from scgnn_tools.data.order import largest_first
from scgnn_tools.metrics import energy_distance
from scgnn_tools.perturbation.changes import Changes
from scgnn_tools.perturbation.inputs import CONTROL, Screen

MOST_CELLS, MOST_CONTROLS, PERMUTATIONS, MOST_GENES = 250, 2_000, 199, 2_000
"""Cells of a condition that are compared, controls that choose the genes, deals of the permutation test, and genes."""

LEAST_GENES, LEVEL = 10, 0.05
"""A condition has a signal if so many genes change at this false discovery rate, and its energy distance is beyond chance."""


def signal(
    cells: Screen, item: np.ndarray, all_cells: Changes, split_half: np.ndarray, *, rng: RNG = 0
) -> pd.DataFrame:
    """Return what says that a condition does anything, a row an item.

    Parameters
    ----------
    cells
        The screen.
    item
        Of each cell, -1 for a control cell.
    all_cells
        Changes of the items over all cells.
    split_half
        Correlation of the changes in two halves, (n_items,).
    rng
        Of the sampled cells and the permutations.

    Returns
    -------
    DataFrame
        ``n`` cells, ``e_distance``, ``p``, ``n_de`` (genes at FDR 5 %), ``split_half``, ``has_signal``.
    """
    draws = generator(rng)
    controls = np.flatnonzero(item == CONTROL)
    points = _points(cells, np.sort(draws.permutation(controls)[:MOST_CONTROLS]))
    strata = {s: controls[cells.stratum[controls] == s] for s in np.unique(cells.stratum)}
    rows = []
    for i, n_de in enumerate(all_cells.significant(LEVEL).sum(axis=1)):
        own = draws.permutation(np.flatnonzero(item == i))[:MOST_CELLS]
        # controls of the same batches, as many as there are cells: a batch is no effect
        like = [draws.choice(strata[s], int((cells.stratum[own] == s).sum())) for s in np.unique(cells.stratum[own])]
        beside = np.unique(np.concatenate(like))
        distance, p = (
            energy_distance(points(own), points(beside), n_permutations=PERMUTATIONS, rng=draws)
            if min(len(own), len(beside)) > 1
            else (np.nan, 1.0)
        )
        rows.append((int(all_cells.n[i]), distance, p, int(n_de), float(split_half[i])))
    table = pd.DataFrame(rows, columns=["n", "e_distance", "p", "n_de", "split_half"])
    table["has_signal"] = (table["n_de"] >= LEAST_GENES) & (table["p"] <= LEVEL)
    return table


def _points(cells: Screen, some: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from cells to points: the genes that vary most in control cells, less the control mean of the stratum."""
    controls = cells.expression[some]
    mean = np.asarray(controls.mean(axis=0)).ravel()
    spread = np.asarray(controls.multiply(controls).mean(axis=0)).ravel() - mean**2
    columns = np.sort(largest_first(spread, cells.genes)[:MOST_GENES])
    x = np.asarray(controls[:, columns].todense(), dtype=np.float64)
    middle = np.tile(x.mean(axis=0), (int(cells.stratum.max()) + 1, 1))
    for s in np.unique(cells.stratum[some]):
        middle[s] = x[cells.stratum[some] == s].mean(axis=0)

    def points(own: np.ndarray) -> np.ndarray:
        return np.asarray(cells.expression[own][:, columns].todense(), dtype=np.float64) - middle[cells.stratum[own]]

    return points
