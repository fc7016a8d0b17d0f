"""What a method sees of cells, and what it has to be able to do."""

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
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
    genes
        Names of the columns of ``expression``, object (n_genes,); None where nobody needs them.
    totals
        Counts of each cell before it was normalised, float64 (n_cells,); None if the data are not counts.
    experiments
        Which experiment each cell is of, int (n_cells,); None for one, or where it is not known.
    gene_graph
        Edges between the columns of ``expression``, from the gene of the row to that of the column, weights above 0, CSR float32
        (n_genes, n_genes); None where nobody asks for them.
    """

    expression: sp.csr_array
    embedding: np.ndarray
    genes: np.ndarray | None = None
    totals: np.ndarray | None = None
    experiments: np.ndarray | None = None
    gene_graph: sp.csr_array | None = None

    def __len__(self) -> int:
        return len(self.embedding)

    def take(self, cells: np.ndarray) -> "Cells":
        """Return these cells, in this order."""
        totals = None if self.totals is None else self.totals[cells]
        experiments = None if self.experiments is None else self.experiments[cells]
        rows, vectors = sp.csr_array(self.expression[cells]), self.embedding[cells]
        return Cells(rows, vectors, self.genes, totals, experiments, self.gene_graph)

    def beside(self, other: "Cells") -> "Cells":
        """Return these cells and, after them, those of another set over the same genes."""
        both = self.totals is not None and other.totals is not None
        return Cells(
            sp.csr_array(sp.vstack([self.expression, other.expression], format="csr")),
            np.concatenate([self.embedding, other.embedding]),
            self.genes,
            np.concatenate([self.totals, other.totals]) if both else None,  # type: ignore[list-item]
            gene_graph=self.gene_graph,
        )


class LabelMethod(Protocol):
    """A classifier of cells whose answer for a cell depends on that cell alone.

    What a method is besides stands in its entry of the registry; the protocols below say, flag by flag, what it then has.
    """

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "LabelMethod":
        """Learn from training cells; the validation cells may steer stopping and choices, not weights.

        ``unlabeled`` are cells to label that may be looked at without their labels (a transductive run); a method that cannot use them
        ignores them.
        """
        ...

    def scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probability of each class, up to a constant a cell, float64 (n_cells, n_classes)."""
        ...


class Interruptible(LabelMethod, Protocol):
    """``Entry.interruptible``: Ctrl-C leaves it with the best weights so far; KeyboardInterrupt is raised only if there are none."""

    interrupted: bool


class Ensemble(LabelMethod, Protocol):
    """``Entry.ensemble``: made of other methods."""

    members: dict[str, LabelMethod]
    """By name, once it is fitted."""

    def consensus(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return :meth:`scores`, and the share of members that agree with each cell's best class, float32 (n_cells,)."""
        ...

    def part_scores(self, cells: Cells) -> dict[str, np.ndarray]:
        """Return the log-probabilities of each member, (n_cells, n_classes) each."""
        ...


class Saved(LabelMethod, Protocol):
    """``Entry.saved``: it can be made again from what it says of itself.

    :func:`~scgnn_tools.labels.saving.state_of` and :func:`~scgnn_tools.labels.saving.restored` ask for both forms alike.
    """

    def state(self) -> dict[str, np.ndarray] | tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays by name, or these and what JSON can hold."""
        ...

    def restore(self, arrays: dict[str, np.ndarray], *config: dict[str, Any]) -> Self:
        """Become what :meth:`state` was asked of; it was made with the same options."""
        ...


class Modelled(Saved, Interruptible, Protocol):
    """``Entry.modelled``: ``sgt.models`` has a class of it."""

    history: pd.DataFrame
    """An epoch a row, after :meth:`fit`."""

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what its last layer sees of each cell, float32 (n_cells, d)."""
        ...


class WithGradients(LabelMethod, Protocol):
    """``Entry.gradients``: its classes can be followed back to what went in."""

    def reached(self, how: str) -> tuple[bool, bool]:
        """Tell whether "gradcam" or "integrated_gradients" reach genes, and whether they reach entries of the vectors; before any fit."""
        ...

    def gene_importance(self, how: str, cells: Cells, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the importance of genes for each class of these cells, (n_genes, n_classes), and which columns of the expression they are.

        ``codes`` is the class of each cell.
        """
        ...

    def entry_importance(
        self, train: Cells, labels: np.ndarray, cells: Cells, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return that of the entries of the vectors, (d, n_classes) each: of the graph, and of a classifier of the vectors beside it."""
        ...


class Resolved(LabelMethod, Protocol):
    """``Entry.resolves``: its options hang on each other."""

    @property
    def params(self) -> dict[str, Any]:
        """All options as they hold."""
        ...

    @property
    def train_size(self) -> float:
        """Share of the labelled cells that train."""
        ...


class WithParts(LabelMethod, Protocol):
    """``Entry.parts``: a graph network and a classifier of vectors, fused."""

    def graph_scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probabilities of the graph alone, (n_cells, n_classes)."""
        ...

    def other_scores(self, cells: Cells) -> np.ndarray | None:
        """Return those of the classifier of vectors; None if this one has none."""
        ...

    def part_scores(self, cells: Cells) -> dict[str, np.ndarray]:
        """Return both by name, or nothing where there is one."""
        ...
