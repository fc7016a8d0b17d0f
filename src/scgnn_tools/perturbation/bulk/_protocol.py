"""What a method sees of knock-out experiments in bulk, and what it has to be able to do."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from scgnn_tools._random import RNG
from scgnn_tools.perturbation.relations import Relations

CLASSES = {3: ("down", "unchanged", "up"), 5: ("down strongly", "down", "unchanged", "up", "up strongly")}
STRONG = 2.5
"""A strong change is so many times the fold of a change: five-fold for two-fold."""


@dataclass(frozen=True)
class Experiments:
    """Knock-outs beside their controls.

    Attributes
    ----------
    target, study
        Of each, object (n_experiments,).
    change
        log(knock-out + pseudocount) − log(control + pseudocount), natural, float64 (n_experiments, n_genes).
    label
        Class of the change, -1 for a gene that does not count (hardly expressed, or the target), int8 (n_experiments, n_genes).
    control
        log1p of the control, float64 (n_experiments, n_genes); None where only changes are known.
    genes
        Names of the columns, object (n_genes,).
    relations
        How alike the targets are, of training and test.
    edges
        Sign of an edge target → gene in the prior network: 1 activation, -1 repression, 0.5 of unknown sign, 0 none; float32
        (n_experiments, n_genes).
    log_fold
        Natural logarithm of the fold from which a gene is changed.
    n_classes
        3 or 5.
    """

    target: np.ndarray
    study: np.ndarray
    change: np.ndarray
    label: np.ndarray
    control: np.ndarray | None
    genes: np.ndarray
    relations: Relations
    edges: np.ndarray
    log_fold: float
    n_classes: int

    def __len__(self) -> int:
        return len(self.target)

    @property
    def middle(self) -> int:
        """The class "unchanged"."""
        return self.n_classes // 2

    @property
    def counts(self) -> np.ndarray:
        """Whether a gene counts, bool (n_experiments, n_genes)."""
        return self.label >= 0

    def take(self, rows: np.ndarray) -> "Experiments":
        """Return some of them."""
        control = None if self.control is None else self.control[rows]
        names = ("target", "study", "change", "label", "edges")
        return replace(self, **{n: getattr(self, n)[rows] for n in names}, control=control)

    def base_rates(self) -> np.ndarray:
        """Return the share of each class, float64 (n_classes,)."""
        n = np.bincount(self.label[self.counts], minlength=self.n_classes).astype(np.float64)
        return (n + 1 / self.n_classes) / (n.sum() + 1)


class KnockoutMethod(Protocol):
    """A way to say which genes a knock-out changes."""

    notes: dict[str, Any]
    """What was chosen, after :meth:`fit`; numbers and texts."""

    def fit(self, seen: Experiments, *, rng: RNG = 0) -> None:
        """Learn from experiments."""
        ...

    def predict(self, new: Experiments) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities (n, n_genes, n_classes) and expected changes (n, n_genes); of ``new`` the changes are not looked at."""
        ...
