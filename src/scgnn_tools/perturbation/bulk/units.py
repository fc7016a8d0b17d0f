"""Bulk samples as values that can be averaged: counts brought to one depth, logarithms undone."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import printable
from scgnn_tools.data import describe_matrix
from scgnn_tools.perturbation.bulk.roles import Sides

LEAST_COUNTS, LEAST_EXPRESSION = 20.0, 1.0
"""Control and knock-out together, below which a gene does not count: of counts, and of TPM or FPKM."""

PER_MILLION = 1e6
LEVEL = 1e-3
"""Share by which totals of samples that were scaled to the same may differ."""

APART = 3.0
"""Totals of control and knock-out that differ by more were normalised in two ways."""


def undone(x: np.ndarray) -> tuple[np.ndarray, str, bool]:
    """Return the values without logarithms, what they were, and whether they are whole counts."""
    kind = describe_matrix(sp.csr_array(x))
    if kind.kind == "counts":
        return x, kind.kind, kind.integer
    _check_base(x)
    return np.expm1(x), "log1p, undone", False


def scaled(counts: np.ndarray) -> tuple[np.ndarray, float]:
    """Return counts of samples at one depth, and which: the median of theirs, at most a million."""
    totals = counts.sum(axis=1)
    scale = float(min(PER_MILLION, np.median(totals[totals > 0]))) if (totals > 0).any() else 1.0
    return counts * (scale / np.where(totals > 0, totals, 1))[:, None], scale


def warn_of_units(rows: list[Sides], names: np.ndarray, totals: np.ndarray) -> None:
    """Warn once of all experiments whose two sides add up to unlike totals."""
    ratio = np.array([(totals[k].mean() + 1e-12) / (totals[c].mean() + 1e-12) for c, k in rows])
    ratio = np.maximum(ratio, 1 / ratio)
    apart = np.flatnonzero(ratio >= APART)
    if len(apart):
        worst = int(ratio.argmax())
        msg = (
            f"The totals of control and knock-out differ {APART:g}-fold or more in {len(apart):,} of {len(rows):,} experiments; most in "
            f"{printable(names[worst])!r}, {ratio[worst]:.0f}-fold. Were they normalised in two ways? Bring the samples to one unit."
        )
        warn(msg)


def _check_base(x: np.ndarray) -> None:
    """Refuse logarithms to the base of 2 where the totals tell: samples of TPM all add up to the same, undone with the right base only."""
    two, e = (f(x).sum(axis=1) for f in (np.exp2, np.exp))
    two, e = two - x.shape[1], e - x.shape[1]
    if len(x) > 2 and two.min() > 0 and np.ptp(two) < LEVEL * two.mean() and np.ptp(e) > 10 * LEVEL * e.mean():
        msg = (
            f"X looks like log2(x + 1): with the base of 2 every sample adds up to {two.mean():,.0f}, with that of natural logarithms they "
            "differ. Pass the values themselves: adata.layers['linear'] = 2**adata.X - 1, and layer='linear'."
        )
        raise InputValueError(msg)
