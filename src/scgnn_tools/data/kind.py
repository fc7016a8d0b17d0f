"""What does a matrix hold: counts, log-normalised or scaled values?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools.data.scale import log_votes

Kind = Literal["counts", "log1p", "scaled"]

SAME = 0.95
"""Share of the values that has to lie in cells of one kind for a sample to stand for the whole matrix."""


@dataclass(frozen=True)
class MatrixKind:
    """What a sample of rows looks like.

    Examples
    --------
    >>> kind = sgt.data.open_expression(adata).kind
    >>> kind.kind, kind.integer
    ('counts', True)
    """

    kind: Kind
    max: float
    min: float
    share_non_integer: float
    row_sums: tuple[float, float]
    agreement: float = 1.0
    """Share of the values that lie in cells which look of this kind by themselves."""

    @property
    def integer(self) -> bool:
        """Whether all values are whole numbers."""
        return self.share_non_integer == 0

    def __str__(self) -> str:
        """Say what was seen, for messages."""
        if self.kind == "scaled":
            return f"negative values (min {self.min:.3g}): it looks scaled"
        if self.integer:
            return f"whole numbers (max {self.max:.6g}): it looks like counts"
        low, high = self.row_sums
        seen = f"{self.share_non_integer:.0%} non-integers (max {self.max:.4g}; row sums {low:,.0f}–{high:,.0f})"
        return f"{seen}: it looks {'log-normalised' if self.kind == 'log1p' else 'like counts with fractions'}"


@door_of_arrays
def describe_matrix(rows: sp.csr_array) -> MatrixKind:
    """Describe a sample of rows.

    Parameters
    ----------
    rows
        CSR, shape (n_sampled, n_vars), finite.

    Returns
    -------
    MatrixKind
        ``kind`` is "scaled" if anything is negative, "counts" if all values are whole numbers, else what most of the cells say by
        themselves (:func:`scgnn_tools.data.scale.log_votes`), the larger cells counting for more: so one cell is taken as it is
        taken among others, and neither the order of the cells nor that of the genes matters.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> sgt.data.describe_matrix(sp.csr_array(adata.X)).kind
    'counts'
    """
    values = rows.data[rows.data != 0]
    if values.size == 0:
        return MatrixKind("counts", 0.0, 0.0, 0.0, (0.0, 0.0))
    sums = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    whole = values == np.rint(values)
    low, high = float(values.min()), float(values.max())
    about = (high, min(low, 0.0), float(1 - whole.mean()), (float(sums.min()), float(sums.max())))
    if low < 0:
        return MatrixKind("scaled", *about)
    if whole.all():
        return MatrixKind("counts", *about)
    share = share_log(rows)
    return MatrixKind("log1p" if share > 0.5 else "counts", *about, agreement=max(share, 1 - share))


def share_log(rows: sp.csr_array) -> float:
    """Return the share of the evidence, cell by cell, that says that rows hold logarithms; 0 without values."""
    votes = log_votes(rows) * np.diff(rows.indptr)
    weight = np.abs(votes).sum()
    return float(votes[votes > 0].sum() / weight) if weight else 0.0
