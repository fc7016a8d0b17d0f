"""Tables of factors × targets of which few pairs are known, and what factors with like rows have in common."""

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

RANK = 6
SPARSE = 0.1
"""Tables with a smaller share of pairs are multiplied as sparse ones."""

Table: TypeAlias = Any
"""Factors × targets, float32: an array, or a CSC one if few of the pairs are known."""


def table(x: np.ndarray) -> Table:
    """Return the table, sparse if few of its pairs are known."""
    return sp.csc_array(x) if np.count_nonzero(x) < SPARSE * x.size else x


def dense(x: Table) -> np.ndarray:
    """Return it as an array."""
    return x.toarray() if sp.issparse(x) else x


def times(a: np.ndarray, b: Table) -> np.ndarray:
    """Return the product with a table, dense."""
    return np.ascontiguousarray((b.T @ a.T).T) if sp.issparse(b) else a @ b


def cosine(residual: Table, seen: Table, *, shrink: float = 0.0) -> np.ndarray:
    """Return the cosine of rows over the columns that both have seen; ``shrink`` pulls those of few common ones to 0."""
    square = residual * residual
    norm = np.sqrt(dense(square @ seen.T) * dense(seen @ square.T))
    if shrink and (norm > 0).any():
        norm = norm + shrink * norm[norm > 0].mean()
    out = np.divide(dense(residual @ residual.T), norm, out=np.zeros_like(norm), where=norm > 0)
    np.fill_diagonal(out, 0)
    return out


def low_rank(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two factors of the nearest matrix of rank six, (n_rows, k) and (k, n_columns)."""
    from scipy.sparse.linalg import svds

    k = min(RANK, min(matrix.shape) - 1)
    if k < 1 or not matrix.any():
        return np.zeros((matrix.shape[0], 1), dtype=np.float32), np.zeros((1, matrix.shape[1]), dtype=np.float32)
    u, s, vt = svds(matrix, k, rng=np.random.default_rng(0))
    return (u * s).astype(np.float32), vt.astype(np.float32)
