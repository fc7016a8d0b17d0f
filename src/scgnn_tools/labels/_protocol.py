"""What a method sees of cells, and what it has to be able to do."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG


@dataclass(frozen=True)
class Cells:
    """Cells as arrays.

    Attributes
    ----------
    expression
        Log-normalised, CSR float32 (n_cells, n_genes).
    embedding
        Vectors of a foundation model, float32 (n_cells, dimension).
    """

    expression: sp.csr_array
    embedding: np.ndarray

    def __len__(self) -> int:
        return len(self.embedding)

    def take(self, cells: np.ndarray) -> "Cells":
        """Return these cells, in this order."""
        return Cells(sp.csr_array(self.expression[cells]), self.embedding[cells])


class LabelMethod(Protocol):
    """A classifier of cells whose answer for a cell depends on that cell alone."""

    def fit(
        self, train: Cells, labels: np.ndarray, validation: Cells, validation_labels: np.ndarray, *, rng: RNG = 0
    ) -> "LabelMethod":
        """Learn from training cells; the validation cells may steer stopping and choices, not weights."""
        ...

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probability of each class, up to a constant a cell, float64 (n_cells, n_classes)."""
        ...
