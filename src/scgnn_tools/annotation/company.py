"""The cells of a query among which each of them is judged: those whose vectors are most alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from scgnn_tools.annotation.packed import packed, unpacked

NEIGHBOURS, WEIGHT = 15, 0.75
"""Cells most like a cell, and how much their mean counts beside the cell's own strangeness (``benchmarks/unknown.py``): a type that the
reference lacks comes as a group, and a single known cell is often strange by chance."""
MOST = 5_000
"""Cells that are kept of a query: those that a store looks at, too."""
ITSELF = 0.9995
"""Cosine from which on the nearest cell is the cell itself."""
BLOCK = 1024
Of: TypeAlias = Callable[[np.ndarray], np.ndarray]


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
    profiles
        Expression of the genes that tell the classes apart, float16 (n_cells, n_genes).
    """

    keys: np.ndarray
    vectors: np.ndarray
    signs: np.ndarray
    profiles: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def beside(self, other: "Company") -> "Company":
        """Return both, of which as many are kept as may be."""
        both = (np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True))
        return Company(*both)._kept()

    def among(self, vectors: np.ndarray, signs: np.ndarray, more: Of | None = None) -> np.ndarray:
        """Return signs of cells as they are among those of the company that are most like them, float64 (n_cells, 4).

        Parameters
        ----------
        vectors, signs
            Of the cells, as those of the company are.
        more
            One more sign, of the mean profiles of a cell and those most like it, (n, n_genes) -> (n,); it is the last column then.
        """
        out = np.zeros((len(signs), signs.shape[1] + (more is not None)))
        if len(self) < 2:
            out[:, : signs.shape[1]] = signs
            return out
        own = self.profiles.astype(np.float32)
        for at, near, itself in self._near(vectors):
            others = np.where(itself[:, None], near[:, 1:], near[:, :-1])
            out[at, : signs.shape[1]] = (1 - WEIGHT) * signs[at] + WEIGHT * self.signs[others].mean(axis=1)
            if more is not None:
                out[at, -1] = more(_mean(own, near))
        return out

    def of_profiles(self, of: Of) -> np.ndarray:
        """Return what ``of`` says of the mean profiles of each cell of the company and those most like it, (n_cells,)."""
        own = self.profiles.astype(np.float32)
        return np.concatenate([of(_mean(own, near)) for _, near, _ in self._near(self.vectors)])

    def _near(self, vectors: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield which cells, their nearest of the company, nearest first, and whether the first is the cell itself."""
        k = min(NEIGHBOURS, len(self) - 1)
        bank = self.vectors.astype(np.float32).T
        for start in range(0, len(vectors), BLOCK):
            at = slice(start, start + BLOCK)
            like = vectors[at].astype(np.float32) @ bank
            near = np.argpartition(-like, k, axis=1)[:, : k + 1]
            near = np.take_along_axis(
                near, np.argsort(-np.take_along_axis(like, near, axis=1), axis=1, kind="stable"), 1
            )
            yield at, near, like[np.arange(len(like)), near[:, 0]] >= ITSELF

    def _kept(self) -> "Company":
        chosen = _first(self.keys)
        return Company(*(x[chosen] for x in vars(self).values()))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return packed(**vars(self))

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Company":
        """Return what :meth:`to_json` was asked of."""
        return cls(**unpacked(plain))


def company_of(expression: sp.csr_array, vectors: np.ndarray, signs: np.ndarray, genes: np.ndarray) -> Company:
    """Return cells, all of which express something, as a company of their own; ``genes`` are columns that tell the classes apart."""
    x = sp.csr_array(expression)
    marks = (x.indices.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    marks ^= marks >> np.uint64(29)
    keys = np.add.reduceat(marks, x.indptr[:-1]) if x.nnz else np.zeros(0, dtype=np.uint64)
    keys = keys * np.uint64(0xBF58476D1CE4E5B9)
    keys ^= keys >> np.uint64(32)
    some = _first(keys)
    profiles = sp.csr_array(x[some])[:, genes].toarray().astype(np.float16)
    return Company(keys[some], unit(vectors[some]), signs[some].astype(np.float32), profiles)


def _mean(profiles: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return the mean profile of some rows for each row of their positions, float32 (n, n_genes)."""
    n, k = near.shape
    share = np.full(n * k, 1 / k, dtype=np.float32)
    return sp.csr_array((share, near.ravel(), np.arange(0, n * k + 1, k)), shape=(n, len(profiles))) @ profiles


def _first(keys: np.ndarray) -> np.ndarray:
    """Return which cells are kept, in their order."""
    return np.sort(np.argsort(keys, kind="stable")[:MOST])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length one, float16; a vector of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float16)
