"""``mi``: the mutual information of the binned expression of two genes."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._progress import progress
from scgnn_tools.links._expression import grid, read_expression
from scgnn_tools.links._protocol import check_pairs, need_fit

if TYPE_CHECKING:
    from anndata import AnnData

GENES, CELLS = 256, 8192
"""Genes of a side whose joint histograms are in memory at a time, and cells that are counted at a time."""


class MutualInformation:
    """Mutual information over the cells, in nats; without direction, the labels are not used.

    Of each gene the cells without it are one bin, the others fall into bins of equally many cells.

    Parameters
    ----------
    bins
        Most bins of a gene.
    """

    def __init__(self, *, bins: int = 10) -> None:
        self._bins = integer("bins", bins, least=2, most=100)

    def fit(
        self,
        pairs: pd.DataFrame | None = None,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "MutualInformation":
        """Bin each gene of ``expression``."""
        self._columns = read_expression(expression, "mi")
        self._codes = binned(self._columns.x, self._bins)
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the mutual information; NaN where a gene is not there or constant."""
        need_fit(self, "_columns")
        pairs = check_pairs(pairs, labelled=False)
        left, right = self._columns.at(pairs["tf"]), self._columns.at(pairs["target"])
        out = np.full(len(pairs), np.nan)
        known = (left >= 0) & (right >= 0)
        if not known.any():
            return out
        a, b, at_a, at_b = grid(left[known], right[known])
        value = np.empty(int(known.sum()))
        blocks = [(i, j) for i in range(0, len(a), GENES) for j in range(0, len(b), GENES)]
        for i, j in progress(blocks, total=len(blocks), what="mi", unit="block"):
            here = (at_a >= i) & (at_a < i + GENES) & (at_b >= j) & (at_b < j + GENES)
            some = self._codes[:, a[i : i + GENES]], self._codes[:, b[j : j + GENES]]
            value[here] = mutual_information(*some, self._bins)[at_a[here] - i, at_b[here] - j]
        out[known] = value
        return out


def binned(x: sp.csc_array, bins: int) -> np.ndarray:
    """Return the bin of each value, uint8 (n_cells, n_genes), a gene after the other; 0 where it is zero."""
    out = np.zeros(x.shape, dtype=np.uint8, order="F")
    for j, (start, end) in enumerate(zip(x.indptr[:-1], x.indptr[1:], strict=True)):
        values = x.data[start:end]
        stored = values > 0
        if stored.any():
            edges = np.quantile(values[stored], np.linspace(0, 1, bins)[1:-1])
            # a value that is an edge lies below it, so equal values stay together
            out[x.indices[start:end][stored], j] = 1 + np.searchsorted(edges, values[stored], side="left")
    return out


def mutual_information(a: np.ndarray, b: np.ndarray, bins: int) -> np.ndarray:
    """Return the mutual information of each column of ``a`` with each of ``b``, float64 (n_a, n_b), NaN for a constant column.

    The joint histograms of all pairs are one matrix product of indicator columns.
    """
    n = a.shape[0]
    joint = np.zeros((a.shape[1] * bins, b.shape[1] * bins), dtype=np.float32)  # exact: whole numbers below 2^24
    for start in range(0, n, CELLS):
        joint += _indicators(a[start : start + CELLS], bins).T @ _indicators(b[start : start + CELLS], bins)
    joint = joint.reshape(a.shape[1], bins, b.shape[1], bins)
    p_a, p_b = joint[:, :, 0, :].sum(axis=2) / n, joint[0].sum(axis=0) / n
    h_a, h_b = _entropy(p_a), _entropy(p_b)
    information = (
        h_a[:, None] + h_b[None, :] - _entropy(joint.transpose(0, 2, 1, 3).reshape(len(h_a), len(h_b), -1) / n)
    )
    constant = (p_a.max(axis=1) >= 1)[:, None] | (p_b.max(axis=1) >= 1)[None, :]
    return np.where(constant, np.nan, np.maximum(information, 0))


def _indicators(codes: np.ndarray, bins: int) -> np.ndarray:
    """Return float32 (n_cells, n_genes × bins): one where a cell lies in a bin."""
    return (codes[:, :, None] == np.arange(bins, dtype=np.uint8)).reshape(len(codes), -1).astype(np.float32)


def _entropy(p: np.ndarray) -> np.ndarray:
    from scipy.special import entr

    return entr(p.astype(np.float64)).sum(axis=-1)
