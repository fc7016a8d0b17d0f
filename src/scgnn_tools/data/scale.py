"""Is a cell written as a logarithm? Judged from its own values, so that a cell says the same alone and among others."""

import numpy as np
import scipy.sparse as sp

# log1p of a count below 10^10: nothing larger is a logarithm of expression
MAX_LOG = 25.0
SURE, LIKELY = 2, 1
TOTALS = (1e4, 1e6)
"""Totals that cells are normalised to before the logarithm."""
SHORT = 16
"""Multiples of 1/16 are counts or shares of them (a read that fits two genes); a logarithm is none but by chance."""


def log_votes(rows: sp.csr_array) -> np.ndarray:
    """Say of each cell whether its values are logarithms, int64, shape (n_cells,).

    2 or 1 for a logarithm (sure, or likely), -2 or -1 for something else (counts, counts with fractions, per million, square roots),
    0 for a cell without values.

    What gives a cell away, in this order: whole numbers; values whose exponentials are whole multiples of the least one (a count is a
    multiple of one read, and stays one when it is normalised), or that are themselves, or whose squares are; exponentials that sum to
    10,000 or a million; else the shape: counts spread over orders of magnitude, logarithms do not.

    Parameters
    ----------
    rows
        CSR, shape (n_cells, n_vars), finite and not negative.
    """
    data = rows.data.astype(np.float64)
    return np.array([_vote(data[a:b]) for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True)], dtype=np.int64)


def _vote(values: np.ndarray) -> int:
    values = np.sort(values[values > 0])  # sorted: sums below do not depend on the order of the genes
    if not len(values):
        return 0
    broken = values * SHORT != np.rint(values * SHORT)
    if values[-1] > MAX_LOG or not broken.any():
        return -SURE
    undone = (np.expm1(values), np.exp2(values) - 1, 10**values - 1)
    apart = broken & (values > values[0])
    if apart.any():
        if any(_multiples(u, apart) for u in undone):
            return SURE
        if _multiples(values, apart) or _multiples(values**2, apart):
            return -SURE
    if broken.mean() < 0.7:
        return -SURE
    if any(abs(u.sum() / total - 1) < 0.01 for u in undone for total in TOTALS):
        return SURE
    return LIKELY if _looks_like_log(values) else -LIKELY


def _multiples(values: np.ndarray, apart: np.ndarray) -> bool:
    """Return whether the values at ``apart`` are whole multiples of the least one, or of a half or a third of it."""
    ratio = values[apart] / values[0]
    ratio = ratio[ratio < 1000]  # beyond that float32 does not tell
    if len(ratio) < 5:  # a few may be multiples by chance
        return len(ratio) > 0 and bool((np.abs(ratio - np.rint(ratio)) < 1e-3).all())
    return any(float((np.abs(r - np.rint(r)) < 5e-3).mean()) > 0.9 for r in (ratio, 2 * ratio, 3 * ratio))


def _looks_like_log(values: np.ndarray) -> bool:
    """Return whether the spread of the values is that of logarithms.

    The bounds part real cells of seven data sets, all genes or 100 of them, written as log1p and log2 of normalised fractions or of
    TPM, from the same cells as counts with fractions; 97 of 100 cells without a whole number or a common divisor fall on their side.
    """
    if values[0] == values[-1] and len(values) > 1:
        return _one_read_of_many(float(values[0]))
    mean = float(values.mean())
    spread = float(values.std()) / mean
    # many values far below one read: logarithms of a deep cell, if none is above log1p(10,000) and they spread little
    if float((values < 0.5).mean()) > 0.25 and values[-1] < 9.3 and spread < 0.9:
        return True
    if (
        len(values) < 8
    ):  # no shape: fractions of one read are below 1, the logarithm of one read in a shallow cell is not
        return mean > 1.2
    total = float(np.exp2(values).sum())
    return 250 < total < 2e6 and spread < 0.3 + 0.12 * min(np.log10(total), 4.3)


def _one_read_of_many(value: float) -> bool:
    """Return whether a value that all genes share is the logarithm of one read in a cell with a whole number of reads."""
    reads = np.array([total / undone for total in TOTALS for undone in (np.expm1(value), np.exp2(value) - 1)])
    reads = reads[(reads > 0.5) & (reads < 2e4)]
    return bool((np.abs(reads - np.rint(reads)) < 0.005).any())
