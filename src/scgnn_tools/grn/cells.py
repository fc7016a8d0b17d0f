"""What one set of cells says of every factor and gene, measured against permuted cells and between halves of the cells."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator
from scgnn_tools.grn.evidence import correlations, depth_bins
from scgnn_tools.grn.null import calibrated, permuted
from scgnn_tools.grn.reliability import Reliability, agreement, halves
from scgnn_tools.grn.smoothing import COMPONENTS, Axes, axes, canonical_order, fitted_correlations

LEAST_CELLS = 20
"""Fewer cells have no halves to speak of."""


@dataclass(frozen=True)
class Measured:
    """Evidence of cells.

    Attributes
    ----------
    x
        The cells in an order of their own, CSR (n_cells, n_genes).
    bins
        Bin of depth of each of them.
    tfs
        Columns of the factors.
    z
        Correlation of what a few components say of the genes, in standard deviations of what permuted cells give, float32
        (n_tfs, n_genes); NaN where a gene is not expressed enough.
    r
        Correlation over the cells themselves, the same way.
    reliability
        Of ``z``, between halves of the cells.
    half
        ``z`` and ``r`` of the first half of the cells, its rows, and those of the other half.
    """

    x: sp.csr_array
    bins: np.ndarray
    tfs: np.ndarray
    z: np.ndarray
    r: np.ndarray
    reliability: Reliability
    half: "tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]"

    @property
    def score(self) -> np.ndarray:
        """``z``, shrunk by the reliability of each factor."""
        return self.z * self.reliability.of_tf[:, None]

    @property
    def first_half(self) -> "Measured":
        """The first half of the cells alone, trusted as far as the whole."""
        z, r, rows, _ = self.half
        return replace(self, x=self.x[rows], bins=self.bins[rows], z=z, r=r)


def measure(
    x: sp.csr_array,
    tfs: np.ndarray,
    expressed: np.ndarray,
    *,
    rank: int = COMPONENTS,
    bins: np.ndarray | None = None,
    rng: RNG = 0,
) -> Measured | None:
    """Measure cells, their permutation, and two halves of them; None if there are fewer than 20 cells or nothing to measure.

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_genes).
    tfs
        Columns of the factors.
    expressed
        Which columns are expressed by enough cells, bool (n_genes,).
    rank
        Components that genes are seen through.
    bins
        Bin of depth of each cell, for permuted cells that of the cells as they were; None makes them.
    rng
        Seed.
    """
    mine, genes = np.flatnonzero(expressed[tfs]), np.flatnonzero(expressed)
    if x.shape[0] < LEAST_CELLS or len(mine) == 0 or len(genes) < 3:
        return None
    rng = generator(rng)
    bins = depth_bins(x) if bins is None else bins
    order = canonical_order(x)
    x, bins = x[order], bins[order]
    some = sp.csr_array(x[:, genes])
    columns = np.searchsorted(genes, tfs[mine])
    every = np.arange(len(genes))

    def smooth(cells: sp.csr_array, bins: np.ndarray, by: Axes | None = None) -> np.ndarray:
        by = axes(cells, n=rank, bins=bins) if by is None else by
        return fitted_correlations(cells, columns, every, bins=bins, by=by)

    by = axes(some, n=rank, bins=bins)
    noise = permuted(some, bins=bins, rng=rng)
    null = smooth(noise, bins, axes(noise, n=rank, bins=bins, trust=by.trust))
    one, other = halves(x.shape[0], rng=rng)
    first, second = (smooth(some[rows], bins[rows]) for rows in (one, other))
    found = agreement(first, second)
    shape = (len(tfs), x.shape[1])
    of_tf = np.zeros(len(tfs), dtype=np.float32)
    of_tf[mine] = found.of_tf

    def whole(values: np.ndarray) -> np.ndarray:
        out = np.full(shape, np.nan, dtype=np.float32)
        out[np.ix_(mine, genes)] = values
        out[np.arange(len(tfs)), tfs] = np.nan
        return out

    def plain(rows: np.ndarray | slice) -> np.ndarray:
        return whole(correlations(some[rows], columns, every, bins=bins[rows]))

    return Measured(
        x, bins, tfs, whole(calibrated(smooth(some, bins, by), null)), plain(slice(None)), replace(found, of_tf=of_tf),
        (whole(calibrated(first, null)), plain(one), one, other),
    )  # fmt: skip
