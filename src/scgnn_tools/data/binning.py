"""Values to bins, cell by cell: each cell's own quantiles are the edges (scGPT, CGC)."""

from typing import Literal

import numba
import numpy as np
import scipy.sparse as sp

from scgnn_tools._threads import as_many_as_torch

Binning = Literal["lower", "random"]


def bin_values(
    rows: sp.csr_array, n_bins: int = 51, *, binning: Binning = "lower", rng: np.random.Generator | None = None
) -> np.ndarray:
    """Return the bin of each stored value, from 1 to ``n_bins - 1``, float32 (nnz,).

    The edges are ``n_bins - 1`` quantiles of the cell's values, interpolated linearly. Counts are small integers, so that many
    edges are equal; a value that stands on several is put into the lowest of their bins ("lower", our default) or into one at
    random ("random", as published: most tokens of a typical cell are then random).

    Parameters
    ----------
    rows
        Positive values, CSR (n_cells, n_genes).
    n_bins
        Bins, the one of zeros included.
    binning, rng
        See above; ``rng`` is drawn from once a value, in the order of the values.
    """
    data = np.ascontiguousarray(rows.data, dtype=np.float64)
    draws = np.zeros(0) if binning == "lower" else (rng or np.random.default_rng()).random(len(data))
    out = np.empty(len(data), dtype=np.float32)
    share = np.linspace(0, 1, n_bins - 1)
    with as_many_as_torch():
        _bin(data, rows.indptr.astype(np.int64), share, draws, out)
    return out


@numba.njit(parallel=True, cache=True, nogil=True)
def _bin(
    data: np.ndarray, indptr: np.ndarray, share: np.ndarray, draws: np.ndarray, out: np.ndarray
) -> None:  # pragma: no cover (compiled)
    for row in numba.prange(len(indptr) - 1):
        a, b = indptr[row], indptr[row + 1]
        if a == b:
            continue
        values = data[a:b]
        # small whole numbers, that is counts: a histogram does the sorting, and a table of 256 entries the look-ups
        count = np.zeros(256, dtype=np.int64)
        small = True
        for value in values:
            if value >= 256 or value != int(value):
                small = False
                break
            count[int(value)] += 1
        if small:
            ordered = np.empty(b - a)
            at = 0
            for value in range(256):
                ordered[at : at + count[value]] = value
                at += count[value]
        else:
            ordered = np.sort(values)
        edges = _quantiles(ordered, share)
        if small:
            lower, upper = np.empty(256, dtype=np.int64), np.empty(256, dtype=np.int64)
            for value in range(256):
                if count[value]:
                    lower[value] = np.searchsorted(edges, value, side="left")
                    upper[value] = np.searchsorted(edges, value, side="right")
        for j in range(a, b):
            if small:
                low, high = lower[int(data[j])], upper[int(data[j])]
            else:
                low = np.searchsorted(edges, data[j], side="left")
                high = np.searchsorted(edges, data[j], side="right")
            out[j] = np.ceil(draws[j] * (low - high) + high) if len(draws) else min(low + 1, high)


@numba.njit(cache=True, nogil=True)
def _quantiles(ordered: np.ndarray, share: np.ndarray) -> np.ndarray:  # pragma: no cover (compiled)
    """Return numpy.quantile's linear interpolation, to the bit: edges are compared with values for equality."""
    edges = np.empty(len(share))
    for i in range(len(share)):
        at = share[i] * (len(ordered) - 1)
        low = int(np.floor(at))
        high = min(low + 1, len(ordered) - 1)
        step, part = ordered[high] - ordered[low], at - low
        edges[i] = ordered[low] + step * part if part < 0.5 else ordered[high] - step * (1 - part)
    return edges


def keep_top(rows: sp.csr_array, most: int) -> np.ndarray:
    """Return which stored values are among the ``most`` largest of their cell, bool (nnz,); ties go by column."""
    keep = np.ones(rows.nnz, dtype=bool)
    with as_many_as_torch():
        _keep_top(np.ascontiguousarray(rows.data), rows.indptr.astype(np.int64), most, keep)
    return keep


@numba.njit(parallel=True, cache=True, nogil=True)
def _keep_top(data: np.ndarray, indptr: np.ndarray, most: int, keep: np.ndarray) -> None:  # pragma: no cover (compiled)
    for row in numba.prange(len(indptr) - 1):
        a, b = indptr[row], indptr[row + 1]
        if b - a <= most:
            continue
        # the smallest value that is kept, and how many of those that equal it
        values = np.sort(data[a:b])
        cut = values[b - a - most]
        ties = most - (b - a - np.searchsorted(values, cut, side="right"))
        for j in range(a, b):
            if data[j] < cut:
                keep[j] = False
            elif data[j] == cut:
                keep[j] = ties > 0
                ties -= 1


def keep_random(rows: sp.csr_array, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return which stored values are among ``most`` of their cell drawn at random, bool (nnz,)."""
    keep = np.ones(rows.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(rows.indptr) > most):
        a, b = rows.indptr[row], rows.indptr[row + 1]
        keep[a:b] = False
        keep[a + rng.choice(b - a, size=most, replace=False)] = True
    return keep


def keep_weighted(rows: sp.csr_array, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return which stored values are among ``most`` of their cell, drawn in proportion to their size, bool (nnz,)."""
    keep = np.ones(rows.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(rows.indptr) > most):
        a, b = rows.indptr[row], rows.indptr[row + 1]
        share = rows.data[a:b].astype(np.float64)
        keep[a:b] = False
        keep[a + rng.choice(b - a, size=most, replace=False, p=share / share.sum())] = True
    return keep
