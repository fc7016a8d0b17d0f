"""``linear``: a bilinear model of genes and perturbed genes (Ahlmann-Eltze et al., Nature Methods 2025).

Changes Y (genes × perturbations) ≈ A W Bᵀ + b; b the mean of each gene, A principal components of the training changes, B the rows of A of
the perturbed genes, or other vectors of theirs; W = (AᵀA + λ)⁻¹ Aᵀ (Y − b) B (BᵀB + λ)⁻¹.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._random import RNG
from scgnn_tools.data.conditions import Condition, gene_of
from scgnn_tools.perturbation._protocol import Effects


class Linear:
    """Baseline: the linear model that published networks were found not to beat.

    Parameters
    ----------
    embedding
        What stands for a perturbed gene: "own", its row of A, which exists only for measured genes; "related", the leading eigenvectors
        of the first source of relations.
    n_components
        Of A, and of "related".
    penalty
        λ.
    """

    history = None

    def __init__(self, *, embedding: str = "own", n_components: int = 10, penalty: float = 0.1) -> None:
        self.embedding = choice("embedding", embedding, ("own", "related"))
        self.n_components, self.penalty = integer("n_components", n_components), number("penalty", penalty, above=0)

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Learn W; perturbed genes without vectors are left out of it."""
        y = seen.changes.T
        self._b = y.mean(axis=1)
        centred = y - self._b[:, None]
        k = min(self.n_components, max(1, min(centred.shape) - 1))
        left, size, _ = np.linalg.svd(centred, full_matrices=False)
        self._a = left[:, :k] * size[:k]
        self._vectors = self._own(seen) if self.embedding == "own" else self._related(seen)
        b, known = self._of(seen.conditions)
        self.notes: dict[str, Any] = {"n_known": int(known.sum())}
        own = self._a.T @ self._a + self.penalty * np.eye(k)
        other = b[known].T @ b[known] + self.penalty * np.eye(b.shape[1])
        self._w = np.linalg.solve(own, self._a.T @ centred[:, known] @ b[known]) @ np.linalg.inv(other)

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the changes; of a perturbed gene without a vector the mean, (n_conditions, n_genes)."""
        b, _ = self._of(conditions)
        return b @ (self._a @ self._w).T + self._b

    def _of(self, conditions: Sequence[Condition]) -> tuple[np.ndarray, np.ndarray]:
        """Return the vector of each condition, the sum of its genes', and whether there is one."""
        width = len(next(iter(self._vectors.values()))) if self._vectors else 1
        out, known = np.zeros((len(conditions), width)), np.zeros(len(conditions), dtype=bool)
        for i, condition in enumerate(conditions):
            there = [self._vectors[g] for g in condition if g in self._vectors]
            if there:
                out[i], known[i] = np.sum(there, axis=0), True
        return out, known

    def _own(self, seen: Effects) -> dict[str, np.ndarray]:
        at = {g: i for i, g in enumerate(seen.genes)}
        return {g: self._a[at[gene_of(g)]] for g in seen.relations.genes if gene_of(g) in at}

    def _related(self, seen: Effects) -> dict[str, np.ndarray]:
        for name, kernel in seen.relations.kernels.items():
            value, vector = np.linalg.eigh(kernel)
            first = np.argsort(-value)[: self.n_components]
            rows = vector[:, first] * np.sqrt(np.maximum(value[first], 0))
            return {g: rows[i] for i, g in enumerate(seen.relations.genes) if seen.relations.known[name][i]}
        return {}
