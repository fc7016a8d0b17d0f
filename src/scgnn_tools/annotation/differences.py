"""How the classes differ from each other, in the query and in the reference: what another laboratory leaves as it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from scgnn_tools.annotation.packed import packed, unpacked

WEIGHT, MOST = 30.0, 0.3
"""What a correlation that is lower than usual counts beside the other signs, and up to how much lower (``benchmarks/unknown.py``)."""


@dataclass(frozen=True)
class Differences:
    """The middle of the classes of a query, and how each class of the reference differs from the middle of the same classes there.

    Another laboratory moves all classes together, and their differences stay. A type that the reference lacks differs from the middle
    like none of its classes, also where each of its cells is as near to the reference as known cells are.

    Attributes
    ----------
    centre
        Mean expression of the telling genes over the classes of the query, float32 (n_genes,).
    classes
        Of the reference, each less the middle and of length one, float32 (n_classes, n_genes).
    usual
        How unlike every class the cells of the query are, by the 30 % quantile.
    """

    centre: np.ndarray
    classes: np.ndarray
    usual: float = 0.0

    @classmethod
    def between(cls, means: np.ndarray, sums: np.ndarray, n: np.ndarray, least: int) -> "Differences":
        """Return the differences of a query from what its cells add up to.

        Parameters
        ----------
        means
            Of the classes of the reference, (n_classes, n_genes).
        sums, n
            Expression of the cells nearest to each class, added up, (n_classes, n_genes), and their number, (n_classes,).
        least
            Cells from which on a class is one of the query's.
        """
        there = np.flatnonzero(n >= min(least, n.max()))
        centre = (sums[there] / n[there, None]).mean(axis=0)
        return cls(centre.astype(np.float32), _unit(means - means[there].mean(axis=0)))

    def unlike(self, profiles: np.ndarray) -> np.ndarray:
        """Return one less the correlation with the class that cells differ from the middle most alike, (n_cells,).

        Parameters
        ----------
        profiles
            Mean expression of a cell and those most like it, (n_cells, n_genes): a single cell is too noisy.
        """
        return 1 - (_unit(profiles - self.centre) @ self.classes.T).max(axis=1)

    def __call__(self, profiles: np.ndarray) -> np.ndarray:
        """Return how much more unlike every class cells are than is usual, on the scale of the signs, (n_cells,)."""
        return WEIGHT * np.clip(self.unlike(profiles) - self.usual, 0, MOST)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return packed(centre=self.centre, classes=self.classes) | {"usual": self.usual}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Differences":
        """Return what :meth:`to_json` was asked of."""
        return cls(**unpacked({k: v for k, v in plain.items() if k != "usual"}), usual=float(plain["usual"]))


def _unit(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=1, keepdims=True)
    return (x / (np.linalg.norm(x, axis=1, keepdims=True) + 1e-9)).astype(np.float32)
