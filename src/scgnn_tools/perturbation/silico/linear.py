"""Linear models in closed form, all genes of all cells at once: a cell is v = Σ x_g V_g, and without the gene v − x_g V_g."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from scgnn_tools.perturbation.silico.shifts import Shifts, cosines

BLOCK = 64
"""Cells whose table of cells × genes is in memory at once."""


@dataclass(frozen=True)
class LinearModel:
    """Values and vectors of genes, side by side, and what is added to every cell.

    Attributes
    ----------
    parts
        Values CSR (n_cells, n_genes) and vectors (n_genes, d) of each.
    offset
        float64 (Σ d,).
    """

    parts: list[tuple[sp.csr_array, np.ndarray]]
    offset: np.ndarray | None = None

    def cells(self) -> np.ndarray:
        """Return the vectors, float64 (n_cells, Σ d)."""
        v = np.hstack([x @ w for x, w in self.parts])
        return v if self.offset is None else v + self.offset

    def take(self, cells: np.ndarray) -> "LinearModel":
        """Return some of the cells."""
        return LinearModel([(sp.csr_array(x[cells]), w) for x, w in self.parts], self.offset)


def shifts(
    model: LinearModel, genes: np.ndarray, kind: str, *, together: bool, states: dict[str, np.ndarray]
) -> Shifts:
    """Return what perturbing genes (columns of the values) does to each cell.

    Deleting sets a value to 0, in cells that have it; over-expressing sets it to the largest value of the cell.
    """
    n = model.parts[0][0].shape[0]
    out = Shifts.empty(n, 1 if together else len(genes), list(states))
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        some = model.take(rows)
        deltas = [_delta(x, genes, kind) for x, _ in some.parts]
        applies = np.ones(deltas[0].shape, dtype=bool)
        if kind == "delete":
            applies = np.asarray(some.parts[0][0][:, genes].todense() > 0)
        found = _together(some, deltas, genes, states) if together else _each(some, deltas, genes, states)
        own = applies.any(axis=1, keepdims=True) if together else applies
        for name, values in found.items():
            (out.cosine if name is None else out.toward[name])[rows] = np.where(own, values, np.nan)
    return out


def _delta(x: sp.csr_array, genes: np.ndarray, kind: str) -> np.ndarray:
    """Return what is added to the values of the genes, float64 (n, n_genes)."""
    own = np.asarray(x[:, genes].todense(), dtype=np.float64)
    if kind == "delete":
        return -own
    return np.asarray(x.max(axis=1).todense()).reshape(-1, 1) - own


def _each(
    model: LinearModel, deltas: Sequence[np.ndarray], genes: np.ndarray, states: dict[str, np.ndarray]
) -> dict[str | None, np.ndarray]:
    """Return the cosines of a change of one gene at a time, with products of cells, genes and states alone."""
    v = model.cells()
    at = np.cumsum([0, *(w.shape[1] for _, w in model.parts)])
    size = (v**2).sum(axis=1, keepdims=True)
    along, square = np.zeros(deltas[0].shape), np.zeros(deltas[0].shape)
    to = {s: np.zeros(deltas[0].shape) for s in states}
    for k, (_, w) in enumerate(model.parts):
        own, d = w[genes], deltas[k]
        part = slice(at[k], at[k + 1])
        along += d * (v[:, part] @ own.T)
        square += d**2 * (own**2).sum(axis=1)
        for s, e in states.items():
            to[s] += d * (own @ e[part])
    # of several parts the squares add up, since they stand side by side
    after = np.sqrt(np.maximum(size + 2 * along + square, 1e-300))
    before = np.sqrt(np.maximum(size, 1e-300))
    out: dict[str | None, np.ndarray] = {None: np.clip((size + along) / (before * after), -1, 1)}
    for s, e in states.items():
        length = max(float(np.linalg.norm(e)), 1e-300)
        was = (v @ e)[:, None]
        out[s] = (was + to[s]) / (after * length) - was / (before * length)
    return out


def _together(
    model: LinearModel, deltas: Sequence[np.ndarray], genes: np.ndarray, states: dict[str, np.ndarray]
) -> dict[str | None, np.ndarray]:
    """Return the cosines of a change of all genes at once, one column."""
    v = model.cells()
    new = v + np.hstack([d @ w[genes] for d, (_, w) in zip(deltas, model.parts, strict=True)])
    out: dict[str | None, np.ndarray] = {None: cosines(v, new)[:, None]}
    for s, e in states.items():
        out[s] = (cosines(new, e[None]) - cosines(v, e[None]))[:, None]
    return out
