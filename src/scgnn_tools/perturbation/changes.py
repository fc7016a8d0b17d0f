"""Mean changes of conditions against control cells of the same batches and cell types, and cells in halves."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from scgnn_tools.perturbation.inputs import CONTROL, Screen

LEAST_EXPRESSING = 8
"""Cells of an item that express a gene, or would if they were control cells, below which it is not tested."""


@dataclass(frozen=True)
class Changes:
    """Of items, which are conditions, or conditions in a group.

    Attributes
    ----------
    change
        Mean of the item's cells less ``control``, float64 (n_items, n_genes); NaN for an item without cells.
    control
        Mean of the control cells, weighted as the item's cells are over batches and cell types, float64 (n_items, n_genes).
    error
        Standard error of the change, float64 (n_items, n_genes).
    dof
        Degrees of freedom of a Welch test of it.
    n
        Cells of each item, int64 (n_items,).
    testable
        Whether enough of the item's cells express a gene, or would as control cells do, bool (n_items, n_genes): one that none of a few
        cells expresses seems not to vary, and any test is sure of it.
    """

    change: np.ndarray
    control: np.ndarray
    error: np.ndarray
    dof: np.ndarray
    n: np.ndarray
    testable: np.ndarray

    @property
    def t(self) -> np.ndarray:
        """Welch's statistic; 0 where nothing varies, or too few cells express the gene."""
        return np.divide(self.change, self.error, out=np.zeros_like(self.change), where=self.testable)

    def significant(self, level: float = 0.05) -> np.ndarray:
        """Return which changes are, at this false discovery rate within each item, bool (n_items, n_genes)."""
        from scipy.stats import false_discovery_control
        from scipy.stats import t as student

        p = 2 * student.sf(np.abs(self.t), np.maximum(self.dof, 1))
        p[~self.testable] = 1
        return np.stack([false_discovery_control(row) < level for row in p])


def changes(cells: Screen, item: np.ndarray, n_items: int, use: np.ndarray | None = None) -> Changes:
    """Return the changes of items.

    Parameters
    ----------
    cells
        The screen.
    item
        Of each cell, -1 for a control cell, below -1 for one that is not used, int64 (n_cells,).
    n_items
        Number of items.
    use
        Which cells are used, bool (n_cells,); None for all.
    """
    own = item >= 0 if use is None else (item >= 0) & use
    controls = item == CONTROL if use is None else (item == CONTROL) & use
    n_strata = int(cells.stratum.max()) + 1
    mean, variance, seen, n = _moments(cells, item, own, n_items)
    base, base_variance, base_seen, n_base = _moments(cells, cells.stratum, controls, n_strata)
    table = np.zeros((n_items, n_strata))
    np.add.at(table, (item[own], cells.stratum[own]), 1)
    weight = table / np.maximum(n, 1)[:, None]
    control = weight @ np.nan_to_num(base)
    one = variance / np.maximum(n, 1)[:, None]
    other = (weight**2 / np.maximum(n_base, 1)) @ np.nan_to_num(base_variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = (one + other) ** 2 / (one**2 / np.maximum(n - 1, 1)[:, None] + other**2 / max(n_base.sum() - 1, 1))
    error = np.sqrt(one + other)
    expected = n[:, None] * (weight @ (base_seen / np.maximum(n_base, 1)[:, None]))
    testable = (error > 0) & (np.maximum(seen, expected) >= LEAST_EXPRESSING)
    return Changes(mean - control, control, error, np.nan_to_num(dof, nan=1.0), n, testable)


def _moments(
    cells: Screen, code: np.ndarray, use: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and variance of the cells of each code, NaN and 0 without cells, and how many express each gene, (n, n_genes); and n."""
    some = np.flatnonzero(use)
    pick = sp.csr_array((np.ones(len(some)), (code[some], some)), shape=(n, len(code)))
    size = np.bincount(code[some], minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.asarray((pick @ cells.expression).todense()) / size[:, None]
        square = np.asarray((pick @ cells.squares).todense()) / size[:, None]
    seen = np.asarray((pick @ cells.expressed).todense())
    variance = np.maximum(square - mean**2, 0) * (size / np.maximum(size - 1, 1))[:, None]
    return mean, np.nan_to_num(variance), seen, size


def halves(item: np.ndarray, stratum: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Return a random half of the cells of each item (control cells are one) and stratum, bool (n_cells,)."""
    order = draws.permutation(len(item))
    order = order[np.lexsort((stratum[order], item[order]))]
    new = np.r_[True, (np.diff(item[order]) != 0) | (np.diff(stratum[order]) != 0)]
    start = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    place = np.arange(len(order)) - start
    coin = draws.integers(2, size=len(order))[start]  # of an odd number one half gets one more
    first = np.zeros(len(item), dtype=bool)
    first[order] = (place + coin) % 2 == 0
    return first
