"""Genes that vary within batches, found in one pass over the cells."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools.data.expression import Expression

BINS = 20


@dataclass(frozen=True)
class Moments:
    """Sums over the cells of each batch, of normalised values (not their logarithms), float64 (n_batches, n_genes).

    Attributes
    ----------
    n
        Cells of each batch.
    total, square
        Sums of values and of their squares.
    """

    n: np.ndarray
    total: np.ndarray
    square: np.ndarray


def moments(expression: Expression, batch: np.ndarray) -> Moments:
    """Read the cells once; memory does not grow with them. Cells whose code is -1 are left out."""
    n = int(batch.max(initial=0)) + 1
    total, square = (np.zeros((n, len(expression.var))) for _ in range(2))
    for start, rows in expression.lognorm_rows():
        codes = batch[start : start + rows.shape[0]]
        for b in np.unique(codes[codes >= 0]):
            for sums, of_rows in zip((total, square), _sums(rows[codes == b]), strict=True):
                sums[b] += of_rows
    return Moments(np.bincount(batch[batch >= 0], minlength=n), total, square)


def moments_of(rows: sp.csr_array) -> Moments:
    """Return the sums over log-normalised cells that are in memory, of one batch."""
    total, square = _sums(rows)
    return Moments(np.array([rows.shape[0]]), total[None], square[None])


def _sums(rows: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of values and of their squares, not of the logarithms, float64 (n_genes,) each."""
    values = sp.csr_array(rows, dtype=np.float64, copy=True)
    values.data = np.expm1(values.data)
    total = np.asarray(values.sum(axis=0)).ravel()
    values.data **= 2
    return total, np.asarray(values.sum(axis=0)).ravel()


def variable_genes(found: Moments, n_top: int) -> np.ndarray:
    """Return the genes that are variable in the most batches, by mean dispersion where that is equal, sorted, int64 (at most n_top,).

    Satija et al. 2015 within each batch: dispersion relative to genes of like expression; as in scanpy with ``batch_key``.
    """
    n_genes = found.total.shape[1]
    norm, votes = np.zeros((len(found.n), n_genes)), np.zeros((len(found.n), n_genes), dtype=bool)
    for b, n in enumerate(found.n):
        there = np.flatnonzero(found.total[b] > 0)
        if not len(there):
            continue
        value = _dispersion(found.total[b, there] / n, found.square[b, there], n)
        norm[b, there] = value
        known = np.sort(value[np.isfinite(value)])[::-1]
        if len(known):
            votes[b, there] = np.nan_to_num(value, nan=-np.inf) >= known[min(n_top, len(known)) - 1]
    with np.errstate(invalid="ignore"):
        mean = np.nansum(norm, axis=0) / np.maximum(np.isfinite(norm).sum(axis=0), 1)
    order = np.lexsort((np.arange(n_genes), -mean, -votes.sum(axis=0)))
    order = order[found.total.sum(axis=0)[order] > 0]
    return np.sort(order[:n_top])


def _dispersion(mean: np.ndarray, square: np.ndarray, n: int) -> np.ndarray:
    """Return the log of variance over mean, standardised within bins of expression; NaN where a gene does not vary."""
    variance = np.maximum(square / n - mean**2, 0) * n / max(n - 1, 1)
    with np.errstate(divide="ignore"):
        log = np.log(np.where(variance > 0, variance / mean, np.nan))
    frame = pd.DataFrame({"log": log, "bin": pd.cut(np.log1p(mean), BINS, labels=False)})
    bins = frame.groupby("bin")["log"]
    centre, width = bins.transform("mean").to_numpy(copy=True), bins.transform("std").to_numpy(copy=True)
    alone = np.isnan(width)
    width[alone], centre[alone] = centre[alone], 0  # a gene alone in its bin gets 1
    width[width == 0] = 1  # genes that vary all alike are neither more nor less variable
    return (log - centre) / width
