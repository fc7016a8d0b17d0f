"""The cells of a query among which each of them is judged: those whose vectors are most alike."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

NEIGHBOURS, WEIGHT = 15, 0.75
"""Cells most like a cell, and how much their mean counts beside the cell's own strangeness (``benchmarks/unknown.py``): a type that the
reference lacks comes as a group, and a single known cell is often strange by chance."""
MOST = 5_000
"""Cells that are kept of a query: those that a store looks at, too."""
ITSELF = 0.9995
"""Cosine from which on the nearest cell is the cell itself."""
BLOCK = 1024


@dataclass(frozen=True)
class Company:
    """Cells of a query.

    Attributes
    ----------
    keys
        By which cells are chosen where there are many: the same ones in any order, uint64 (n_cells,).
    vectors
        Of length one, float16 (n_cells, d): that is what neighbours are found by, and a query may have very many cells.
    signs
        On the common scale, float32 (n_cells, 4).
    """

    keys: np.ndarray
    vectors: np.ndarray
    signs: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def beside(self, other: "Company") -> "Company":
        """Return both, of which as many are kept as may be."""
        keys = np.concatenate([self.keys, other.keys])
        chosen = np.sort(np.argsort(keys, kind="stable")[:MOST])
        parts = ((self.vectors, other.vectors), (self.signs, other.signs))
        return Company(keys[chosen], *(np.concatenate(p)[chosen] for p in parts))

    def among(self, vectors: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """Return signs of cells as they are among those of the company that are most like them, float64 (n_cells, 4).

        Parameters
        ----------
        vectors, signs
            Of the cells, as those of the company are.
        """
        k = min(NEIGHBOURS, len(self) - 1)
        if k < 1:
            return signs.astype(np.float64)
        out = np.empty(signs.shape)
        bank = self.vectors.astype(np.float32).T
        for start in range(0, len(vectors), BLOCK):
            at = slice(start, start + BLOCK)
            like = vectors[at].astype(np.float32) @ bank
            near = np.argpartition(-like, k, axis=1)[:, : k + 1]
            near = np.take_along_axis(
                near, np.argsort(-np.take_along_axis(like, near, axis=1), axis=1, kind="stable"), 1
            )
            itself = like[np.arange(len(like)), near[:, 0]] >= ITSELF
            others = np.where(itself[:, None], near[:, 1:], near[:, :-1])
            out[at] = (1 - WEIGHT) * signs[at] + WEIGHT * self.signs[others].mean(axis=1)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            name: {"dtype": x.dtype.str, "shape": list(x.shape), "data": base64.b64encode(x.tobytes()).decode()}
            for name, x in vars(self).items()
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Company":
        """Return what :meth:`to_json` was asked of."""
        arrays = {
            k: np.frombuffer(base64.b64decode(v["data"]), dtype=v["dtype"]).reshape(v["shape"])
            for k, v in plain.items()
        }
        return cls(**arrays)


def company_of(expression: sp.csr_array, vectors: np.ndarray, signs: np.ndarray) -> Company:
    """Return cells, all of which express something, as a company of their own."""
    x = sp.csr_array(expression)
    marks = (x.indices.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    marks ^= marks >> np.uint64(29)
    keys = np.add.reduceat(marks, x.indptr[:-1]) if x.nnz else np.zeros(0, dtype=np.uint64)
    keys = keys * np.uint64(0xBF58476D1CE4E5B9)
    return Company(keys ^ (keys >> np.uint64(32)), unit(vectors), signs.astype(np.float32))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length one, float16; a vector of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float16)
