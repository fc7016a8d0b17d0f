"""Rates of change of each gene over experiments, smoothed, and probabilities out of changes."""

from dataclasses import dataclass

import numpy as np

from scgnn_tools.perturbation.bulk._protocol import Experiments
from scgnn_tools.perturbation.bulk.labels import edges_of_classes

WEIGHT = 2.0
"""Experiments that the rate over all genes counts for in the rate of one."""


@dataclass(frozen=True)
class Rates:
    """Counts of classes by target.

    Attributes
    ----------
    targets
        Distinct targets, object (n_targets,).
    counts
        Genes of each class by target, float64 (n_targets, n_genes, n_classes).
    base
        Share of each class over all, float64 (n_classes,).
    sums, squares
        Of the changes that count, float64 (n_targets, n_genes).
    """

    targets: np.ndarray
    counts: np.ndarray
    base: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    def weighted(self, weights: np.ndarray, *, prior: np.ndarray | None = None, strength: float = WEIGHT) -> np.ndarray:
        """Return smoothed rates, (n, n_genes, n_classes), for weights of the targets (n, n_targets); shrunk to ``prior``, or the base."""
        n = np.tensordot(weights, self.counts, axes=1)
        start = self.base if prior is None else prior
        return (n + strength * start) / (n.sum(axis=2, keepdims=True) + strength)

    def sizes(self, weights: np.ndarray, *, strength: float = WEIGHT) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean change, shrunk to 0, and the root of the mean square, shrunk to that over all, (n, n_genes) each."""
        n = weights @ self.counts.sum(axis=2)
        whole = self.squares.sum() / max(self.counts.sum(), 1)
        square = (weights @ self.squares + strength * whole) / (n + strength)
        return weights @ self.sums / (n + strength), np.sqrt(square)

    def all_but(self, target: np.ndarray) -> np.ndarray:
        """Return weights that leave the own target of each out, float64 (n, n_targets)."""
        return (np.asarray(target, dtype=object)[:, None] != self.targets).astype(np.float64)


def rates(seen: Experiments) -> Rates:
    """Count the classes of each gene by target."""
    targets, code = np.unique(seen.target, return_inverse=True)
    counts = np.zeros((len(targets), len(seen.genes), seen.n_classes))
    for c in range(seen.n_classes):
        np.add.at(counts[:, :, c], code, (seen.label == c).astype(np.float64))
    sums, squares = (np.zeros(counts.shape[:2]) for _ in range(2))
    known = np.where(seen.counts, seen.change, 0)
    np.add.at(sums, code, known)
    np.add.at(squares, code, known**2)
    return Rates(targets, counts, seen.base_rates(), sums, squares)


def class_centres(seen: Experiments) -> np.ndarray:
    """Return the mean change of each class, float64 (n_classes,)."""
    out = np.zeros(seen.n_classes)
    for c in range(seen.n_classes):
        own = seen.label == c
        out[c] = seen.change[own].mean() if own.any() else 0.0
    return out


def of_changes(change: np.ndarray, spread: np.ndarray, log_fold: float, n_classes: int) -> np.ndarray:
    """Return the probability of each class for changes that are normal about ``change``, (n, n_genes, n_classes)."""
    from scipy.stats import norm

    edges = edges_of_classes(log_fold, n_classes)
    width = np.maximum(spread, 1e-6)
    below = np.stack(
        [np.zeros_like(change), *(norm.cdf((e - change) / width) for e in edges), np.ones_like(change)], axis=2
    )
    return np.diff(below, axis=2)


def gene_spread(seen: Experiments, off: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each gene's residuals, shrunk to that over all genes, float64 (n_genes,)."""
    counts = seen.counts
    whole = float((off[counts] ** 2).mean()) if counts.any() else 1.0
    n = counts.sum(axis=0)
    return np.sqrt(((np.where(counts, off, 0) ** 2).sum(axis=0) + WEIGHT * whole) / (n + WEIGHT))
