"""What a method sees of perturbed cells, and what it has to be able to do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._html import boxed
from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition, condition_name
from scgnn_tools.perturbation.relations import Relations


@dataclass(frozen=True)
class PerturbedCells:
    """The cells themselves, for methods that learn from cells.

    Attributes
    ----------
    expression
        Log-normalised, CSR float32 (n_cells, n_genes).
    item
        Position of each cell's condition among the effects, -1 for a control cell, int64 (n_cells,).
    stratum
        Code of its batch and cell type, int64 (n_cells,).

    Examples
    --------
    >>> guides = adata.obs["guide"].map({"control": -1, "B2M": 0, "CD3D": 1, "LYZ": 2, "NKG7": 3})
    >>> cells = sgt.perturbation.PerturbedCells(adata.X, guides.to_numpy(), np.zeros(adata.n_obs, dtype=int))
    >>> cells.expression.shape
    (206, 1000)
    """

    expression: sp.csr_array
    item: np.ndarray
    stratum: np.ndarray


@dataclass(frozen=True)
class Effects:
    """The changes that perturbations made.

    Attributes
    ----------
    conditions
        Perturbed genes of each; a condition stands more than once where it was seen in several groups.
    changes
        Mean log value of its cells less that of control cells of the same batches, float64 (n_conditions, n_genes).
    noise
        Squared standard error of a change, mean over genes, float64 (n_conditions,).
    genes
        Names of the columns, object (n_genes,).
    relations
        How alike the perturbed genes are, of training and test: knowledge that is not from these cells.
    cells
        Only for methods that ask for them.

    Examples
    --------
    >>> known = sgt.perturbation.relations([("LYZ",), ("B2M",)], ["go"])
    >>> effects = sgt.perturbation.Effects(
    ...     [("LYZ",), ("B2M",)], np.zeros((2, 1000)), np.ones(2), adata.var_names.to_numpy(dtype=object), known
    ... )
    >>> effects.take(np.array([0])).conditions
    [('LYZ',)]
    """

    conditions: list[Condition]
    changes: np.ndarray
    noise: np.ndarray
    genes: np.ndarray
    relations: Relations
    cells: PerturbedCells | None = None

    def __len__(self) -> int:
        return len(self.conditions)

    def __repr__(self) -> str:
        return f"Effects({len(self):,} conditions, {len(self.genes):,} genes)"

    def _repr_html_(self) -> str:
        names = [condition_name(c) for c in self.conditions]
        size = np.sqrt((self.changes**2).mean(axis=1))
        table = pd.DataFrame({"size of the change": size, "standard error": np.sqrt(self.noise)}, index=names)
        facts = {"conditions": len(self), "genes": len(self.genes)}
        return boxed("Effects of perturbations", facts, {"root mean square over genes": table.round(4)})

    def take(self, items: np.ndarray) -> "Effects":
        """Return some of them, of cells their own and the controls."""
        cells = self.cells
        if cells is not None:
            new = np.full(len(self) + 1, -2, dtype=np.int64)  # the last is the control's -1
            new[items], new[-1] = np.arange(len(items)), -1
            keep = np.flatnonzero(new[cells.item] > -2)
            cells = PerturbedCells(sp.csr_array(cells.expression[keep]), new[cells.item[keep]], cells.stratum[keep])
        some = [self.conditions[i] for i in items]
        return replace(self, conditions=some, changes=self.changes[items], noise=self.noise[items], cells=cells)


class PerturbationMethod(Protocol):
    """A way to predict the change that a perturbation makes from the changes that others made.

    Examples
    --------
    A method of your own predicts a change for every condition:

    >>> class Mean:
    ...     history, notes = None, {}
    ...
    ...     def fit(self, effects, *, rng):
    ...         self.mean = effects.changes.mean(axis=0)
    ...
    ...     def predict(self, conditions):
    ...         return np.tile(self.mean, (len(conditions), 1))
    """

    history: pd.DataFrame | None
    """Losses of a training, a row an epoch; None for what is not trained."""

    notes: dict[str, Any]
    """What was chosen, after :meth:`fit`; numbers and texts."""

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn from the changes of the training perturbations."""
        ...

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the changes of others, float64 (n_conditions, n_genes)."""
        ...


class GivingCells(PerturbationMethod, Protocol):
    """``Entry.gives_cells``: it changes each cell in its own way."""

    def predict_cells(self, condition: Condition, controls: sp.csr_array) -> np.ndarray:
        """Return the change of each control cell, (n_cells, n_genes)."""
        ...


class Judging(PerturbationMethod, Protocol):
    """``Entry.judges``: it knows what is unlike all that it saw."""

    def unrelated(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return which conditions these are, bool (n_conditions,)."""
        ...
