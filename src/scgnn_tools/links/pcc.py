"""``pcc``: the absolute Pearson correlation of the expression of two genes."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools.data import open_expression
from scgnn_tools.links._protocol import check_pairs, needs

if TYPE_CHECKING:
    from anndata import AnnData


class PCC:
    """Absolute correlation over the cells, as in BEELINE; the labels are not used. The sign is :meth:`signed`."""

    def fit(
        self,
        pairs: pd.DataFrame | None = None,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "PCC":
        """Keep the moments of each gene of ``expression``."""
        needs(expression, "expression", "pcc")
        opened = open_expression(expression)  # type: ignore[arg-type]
        x = sp.csc_array(opened.log_normalized()).astype(np.float64)
        self._genes = pd.Index(opened.var.index)
        self._genes_first = ~self._genes.duplicated()
        self._x, self._n = x, x.shape[0]
        self._mean = np.asarray(x.mean(axis=0)).ravel()
        variance = np.asarray(x.multiply(x).mean(axis=0)).ravel() - self._mean**2
        self._std = np.sqrt(np.maximum(variance, 0))
        self._std[self._std < 1e-6] = 0
        return self

    def signed(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the correlation; NaN where a gene is not there or constant, or with fewer than 10 cells."""
        pairs = check_pairs(pairs, labelled=False)
        index = pd.Series(np.flatnonzero(self._genes_first), index=self._genes[self._genes_first])
        a, b = (pairs[c].map(index).fillna(-1).to_numpy(dtype=np.int64) for c in ("tf", "target"))
        out = np.full(len(pairs), np.nan)
        known = (a >= 0) & (b >= 0)
        known[known] = self._std[a[known]] * self._std[b[known]] > 0
        if self._n < 10 or not known.any():
            return out
        # one block of all factors by all targets that are asked for: factors are few
        left, at_left = np.unique(a[known], return_inverse=True)
        right, at_right = np.unique(b[known], return_inverse=True)
        product = (self._x[:, left].T @ self._x[:, right]) / self._n
        product = np.asarray(product.todense()) - np.outer(self._mean[left], self._mean[right])
        r = product / np.outer(self._std[left], self._std[right])
        out[known] = np.clip(r[at_left, at_right], -1, 1)
        return out

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the absolute correlation."""
        return np.abs(self.signed(pairs))
