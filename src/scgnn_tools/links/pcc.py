"""``pcc``: the absolute Pearson correlation of the expression of two genes."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools.graph.coexpression import correlation
from scgnn_tools.links._expression import MIN_CELLS, GeneColumns, grid, read_expression
from scgnn_tools.links._protocol import check_pairs, need_fit

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 2**24
"""Correlations that are in memory at a time."""


class PCC:
    """Absolute correlation over the cells, as in BEELINE; the labels are not used. The sign is :meth:`signed`."""

    name = "pcc"

    def fit(
        self,
        pairs: pd.DataFrame | None = None,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "PCC":
        """Keep the columns of ``expression``."""
        self.columns = self._prepared(read_expression(expression, self.name, min_cells=0))
        self._varies = ~self.columns.constant()
        return self

    def _prepared(self, columns: GeneColumns) -> GeneColumns:
        return columns

    def signed(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the correlation; NaN where a gene is not there or constant, or with fewer than 10 cells."""
        pairs = check_pairs(pairs, labelled=False)
        left, right = self.columns.at(pairs["tf"]), self.columns.at(pairs["target"])
        out = np.full(len(pairs), np.nan)
        known = (left >= 0) & (right >= 0)
        known[known] = self._varies[left[known]] & self._varies[right[known]]
        if self.columns.n_cells < MIN_CELLS or not known.any():
            return out
        # all factors by all targets that are asked for: factors are few
        a, b, at_a, at_b = grid(left[known], right[known])
        r = np.empty(int(known.sum()))
        step = max(1, BLOCK // len(a))
        for start in range(0, len(b), step):
            here = (at_b >= start) & (at_b < start + step)
            r[here] = correlation(self.columns.x, a, b[start : start + step])[at_a[here], at_b[here] - start]
        out[known] = r
        return out

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the absolute correlation."""
        need_fit(self, "columns")
        return np.abs(self.signed(pairs))
