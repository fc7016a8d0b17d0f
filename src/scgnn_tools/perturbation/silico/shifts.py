"""What a perturbation in a model's input does, cell by cell."""

from dataclasses import dataclass

import numpy as np

KINDS = ("delete", "overexpress")


@dataclass(frozen=True)
class Shifts:
    """Of cells and perturbed genes (or the one set of them); NaN where a cell was not perturbed.

    Attributes
    ----------
    cosine
        Of the cell before and after, float64 (n_cells, n_genes).
    toward
        By state: cosine with the state's mean after, less before, float64 (n_cells, n_genes).
    of_genes
        Mean cosine of each other gene before and after, float64 (n_genes, n_vocabulary), and how many cells it is over; None without.
    """

    cosine: np.ndarray
    toward: dict[str, np.ndarray]
    of_genes: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def empty(cls, n_cells: int, n_genes: int, states: "list[str]") -> "Shifts":
        """Return one of NaN."""
        return cls(np.full((n_cells, n_genes), np.nan), {s: np.full((n_cells, n_genes), np.nan) for s in states})


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine of rows, 0 where one is zero, (n,)."""
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.divide((a * b).sum(axis=-1), size, out=np.zeros(np.broadcast(a, b).shape[:-1]), where=size > 0)
