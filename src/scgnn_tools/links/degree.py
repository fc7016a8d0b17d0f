"""``degree``: how often is a pair of this factor, and of this target, an edge? No expression, no network."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools.links._protocol import check_pairs, need_fit

if TYPE_CHECKING:
    from anndata import AnnData

SMOOTH = 3.0


class Degree:
    """Sum of two smoothed log-odds of the training labels, one of the factor, one of the target.

    ``p = (positives + 3 base) / (pairs + 3)``, with ``base`` the share of positives. A factor or target that training does not hold has
    ``p = base``. This reaches the published state of the art on the benchmark of the field (see :doc:`/concepts/grn`).
    """

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "Degree":
        """Count."""
        pairs = check_pairs(pairs)
        self.base = float(pairs["label"].mean())
        self.tf, self.target = (log_odds(pairs, c, self.base) for c in ("tf", "target"))
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the sum of the two log-odds."""
        need_fit(self, "base")
        pairs = check_pairs(pairs, labelled=False)
        unseen = np.log(self.base / (1 - self.base))
        tf, target = pairs["tf"].map(self.tf).fillna(unseen), pairs["target"].map(self.target).fillna(unseen)
        return (tf.to_numpy() + target.to_numpy()).astype(float)


def log_odds(pairs: pd.DataFrame, column: str, base: float) -> pd.Series:
    """Return the smoothed log-odds of each value of a column."""
    by = pairs.groupby(column)["label"].agg(["sum", "size"])
    p = (by["sum"] + SMOOTH * base) / (by["size"] + SMOOTH)
    return np.log(p / (1 - p))
