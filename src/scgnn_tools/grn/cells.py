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
    cells
        The cells as they came, CSR (n_cells, n_genes).
    order
        Those that were measured, in an order of their own.
    bins
        Bin of depth of each, in that order.
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
        ``z`` and ``r`` of the first half of the cells, its rows, and those of the other half; None if they were not asked for.
    """

    cells: sp.csr_array
    order: np.ndarray
    bins: np.ndarray
    tfs: np.ndarray
    z: np.ndarray
    r: np.ndarray
    reliability: Reliability
    half: "tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None"

    @property
    def x(self) -> sp.csr_array:
        """The cells in their order, CSR (n_cells, n_genes); made anew, and not kept."""
        return self.cells[self.order]

    @property
    def score(self) -> np.ndarray:
        """``z``, shrunk by the reliability of each factor."""
        return self.z * self.reliability.of_tf[:, None]

    @property
    def halves(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the two halves of the cells."""
        return self._half[2:]

    @property
    def first_half(self) -> "Measured":
        """The first half of the cells alone, trusted as far as the whole."""
        z, r, rows, _ = self._half
        return replace(self, order=self.order[rows], bins=self.bins[rows], z=z, r=r)

    @property
    def _half(self) -> "tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]":
        if self.half is None:
            msg = "The halves of these cells were not kept: measure(..., halved=True) keeps them."
            raise RuntimeError(msg)
        return self.half


@dataclass(frozen=True)
class Own:
    """What is kept of the measure of a group's own cells: ``z``, float32 (n_tfs, n_genes), and how far it is to be trusted."""

    z: np.ndarray
    reliability: Reliability

    @property
    def score(self) -> np.ndarray:
        """``z``, shrunk by the reliability of each factor."""
        return self.z * self.reliability.of_tf[:, None]


def measure(
    x: sp.csr_array,
    tfs: np.ndarray,
    expressed: np.ndarray,
    *,
    rank: int = COMPONENTS,
    bins: np.ndarray | None = None,
    halved: bool = True,
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
    halved
        Whether what the first half of the cells says is kept.
    rng
        Seed.
    """
    place = _place(x, tfs, expressed)
    if place is None:
        return None
    bins = depth_bins(x) if bins is None else bins
    order = canonical_order(x)
    bins, some = bins[order], sp.csr_array(x[:, place.genes])[order]
    found = _smoothed(some, place, bins, rank, halved=halved, rng=rng)
    some = sp.csc_array(some)

    def plain(cells: sp.csc_array, bins: np.ndarray) -> np.ndarray:
        return place.whole(correlations(cells, place.columns, np.arange(len(place.genes)), bins=bins))

    half = (
        None if found.first is None else (found.first, plain(some[found.one], bins[found.one]), found.one, found.other)
    )
    return Measured(x, order, bins, tfs, found.z, plain(some, bins), found.reliability, half)


def measure_own(
    x: sp.csr_array, tfs: np.ndarray, expressed: np.ndarray, *, kept: np.ndarray, rng: RNG = 0
) -> Own | None:
    """Measure the cells of a group as :func:`measure` does, and keep of it what a group needs, of the factors ``kept``."""
    place = _place(x, tfs, expressed)
    if place is None:
        return None
    order = canonical_order(x)
    bins, some = depth_bins(x)[order], sp.csr_array(x[:, place.genes])[order]
    found = _smoothed(some, place, bins, COMPONENTS, halved=False, rng=rng)
    return Own(found.z[kept], found.reliability.of_factors(kept))


@dataclass(frozen=True)
class _Place:
    """Where what is measured lies among all factors and genes: ``mine`` of the factors, ``genes`` of the columns, (n_tfs, n_genes)."""

    tfs: np.ndarray
    mine: np.ndarray
    genes: np.ndarray
    n_genes: int

    @property
    def columns(self) -> np.ndarray:
        """Factors among the genes that are measured."""
        return np.searchsorted(self.genes, self.tfs[self.mine])

    def whole(self, values: np.ndarray) -> np.ndarray:
        """Return values of all factors and genes, NaN where nothing was measured and for a factor and itself."""
        out = np.full((len(self.tfs), self.n_genes), np.nan, dtype=np.float32)
        out[np.ix_(self.mine, self.genes)] = values
        out[np.arange(len(self.tfs)), self.tfs] = np.nan
        return out

    def of_factors(self, values: np.ndarray) -> np.ndarray:
        """Return values of all factors, 0 where nothing was measured."""
        out = np.zeros(len(self.tfs), dtype=np.float32)
        out[self.mine] = values
        return out


def _place(x: sp.csr_array, tfs: np.ndarray, expressed: np.ndarray) -> _Place | None:
    mine, genes = np.flatnonzero(expressed[tfs]), np.flatnonzero(expressed)
    if x.shape[0] < LEAST_CELLS or len(mine) == 0 or len(genes) < 3:
        return None
    return _Place(tfs, mine, genes, x.shape[1])


@dataclass(frozen=True)
class _Smoothed:
    """What components say of the genes in standard deviations of permuted cells, of all cells and of the first half; see Measured."""

    z: np.ndarray
    first: np.ndarray | None
    reliability: Reliability
    one: np.ndarray
    other: np.ndarray


def _smoothed(x: sp.csr_array, place: _Place, bins: np.ndarray, rank: int, *, halved: bool, rng: RNG) -> _Smoothed:
    rng, columns, every = generator(rng), place.columns, np.arange(x.shape[1])

    def smooth(cells: sp.csr_array, bins: np.ndarray, by: Axes) -> np.ndarray:
        return fitted_correlations(cells, columns, every, bins=bins, by=by)

    def of_half(rows: np.ndarray) -> np.ndarray:
        cells = x[rows]
        return smooth(cells, bins[rows], axes(cells, n=rank, bins=bins[rows]))

    by = axes(x, n=rank, bins=bins)
    noise = permuted(x, bins=bins, rng=rng)
    null = smooth(noise, bins, axes(noise, n=rank, bins=bins, trust=by.trust))
    del noise  # as large as the cells
    one, other = halves(x.shape[0], rng=rng)
    first = of_half(one)
    found = agreement(first, of_half(other))
    of_first = place.whole(calibrated(first, null)) if halved else None
    del first
    z = place.whole(calibrated(smooth(x, bins, by), null))
    return _Smoothed(z, of_first, replace(found, of_tf=place.of_factors(found.of_tf)), one, other)
