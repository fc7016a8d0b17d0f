"""What does a matrix hold: counts, log-normalised or scaled values?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

Kind = Literal["counts", "log1p", "scaled"]

# log1p of a count below 10^10: nothing larger is a logarithm of expression
MAX_LOG = 25.0


@dataclass(frozen=True)
class MatrixKind:
    """What a sample of rows looks like."""

    kind: Kind
    max: float
    min: float
    share_non_integer: float
    row_sums: tuple[float, float]

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


def describe_matrix(rows: sp.csr_array) -> MatrixKind:
    """Describe a sample of rows.

    Parameters
    ----------
    rows
        CSR, shape (n_sampled, n_vars), finite.

    Returns
    -------
    MatrixKind
        ``kind`` is "scaled" if anything is negative, "counts" if all values are whole numbers or some are too large for a
        logarithm, else "log1p".
    """
    values = rows.data[rows.data != 0]
    if values.size == 0:
        return MatrixKind("counts", 0.0, 0.0, 0.0, (0.0, 0.0))
    sums = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    whole = values == np.rint(values)
    low, high = float(values.min()), float(values.max())
    kind: Kind = "scaled" if low < 0 else "counts" if whole.all() or high > MAX_LOG else "log1p"
    return MatrixKind(kind, high, min(low, 0.0), float(1 - whole.mean()), (float(sums.min()), float(sums.max())))
