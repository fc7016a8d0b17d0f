"""Sets of labels that hold the true one as often as was asked: split conformal prediction (Sadinle, Lei & Wasserman 2019)."""

from typing import Literal

import numpy as np

Kind = Literal["marginal", "class"]


class ConformalSets:
    """The classes whose probability is not below what true classes of held-out cells have.

    The score of a cell is one minus the probability of its true class, the score with the smallest sets on average. Of ``n`` held-out
    cells the ``ceil((n + 1) coverage)``-th smallest score is the threshold; a new cell that is exchangeable with them has its true class
    in the set with at least the probability ``coverage``, whatever the probabilities are worth.

    Parameters
    ----------
    coverage
        Share of cells whose set is to hold the true class, in (0, 1).
    kind
        "marginal": over all cells; "class": within each class, for larger sets. A class with too few held-out cells for a threshold of its
        own is then in every set.
    """

    def __init__(self, coverage: float, kind: Kind = "marginal") -> None:
        self.coverage, self.kind = coverage, kind

    def fit(self, proba: np.ndarray, labels: np.ndarray) -> "ConformalSets":
        """Set the thresholds on held-out cells, (n_cells, n_classes) and (n_cells,)."""
        score = 1 - proba[np.arange(len(labels)), labels]
        if self.kind == "marginal":
            self.thresholds = np.full(proba.shape[1], self._quantile(score))
        else:
            self.thresholds = np.array([self._quantile(score[labels == c]) for c in range(proba.shape[1])])
        return self

    def sets(self, proba: np.ndarray) -> np.ndarray:
        """Return which classes are in each cell's set, bool (n_cells, n_classes); the likeliest one always is."""
        out = 1 - proba <= self.thresholds + 1e-6  # probabilities are kept as float32
        out[np.arange(len(proba)), proba.argmax(axis=1)] = True
        return out

    def _quantile(self, score: np.ndarray) -> float:
        rank = int(np.ceil((len(score) + 1) * self.coverage - 1e-9))
        return 1.0 if rank > len(score) else float(np.sort(score)[rank - 1])


def coverage_of(sets: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Return the share of sets with the true class, its standard error, and the mean size; NaN without cells."""
    if len(labels) == 0:
        return float("nan"), float("nan"), float("nan")
    share = float(sets[np.arange(len(labels)), labels].mean())
    return share, float(np.sqrt(share * (1 - share) / len(labels))), float(sets.sum(axis=1).mean())
