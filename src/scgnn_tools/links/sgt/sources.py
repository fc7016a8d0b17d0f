"""What says that two genes are alike: vectors, patterns of expression, shared symbols, places on a chromosome."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools.data import open_expression
from scgnn_tools.genes import tables
from scgnn_tools.graph.coexpression import correlation
from scgnn_tools.graph.cosine import unit_length
from scgnn_tools.links._expression import drawn

if TYPE_CHECKING:
    from anndata import AnnData

CUT = 4.0
N_PCS = 20
MAX_CELLS, MAX_ANCHORS = 3000, 600
"""Co-expression is a pattern over at most that many cells and genes: the largest patterns need no more."""

NEAR, FAR = 10, 50
"""Genes along a chromosome over which the position kernel falls off."""


@dataclass(frozen=True)
class Vectors:
    """Similarity of vectors, ``exp(-d² / (2 width² median d²))``.

    A gene without a vector is put into the middle, one step away from all genes that have one: that a gene is unknown to a source is
    worth knowing too.
    """

    weight = 1.0

    table: np.ndarray
    index: pd.Index
    width: float
    median: float

    @classmethod
    def of(cls, table: np.ndarray, names: np.ndarray, landmarks: np.ndarray, width: float) -> "Vectors":
        """Measure the distances of the landmarks."""
        new = cls(table.astype(np.float32), pd.Index(names), width, 1.0)
        d = new._distances(landmarks, landmarks)
        return cls(new.table, new.index, width, float(np.median(d[d > 0])) if (d > 0).any() else 1.0)

    def block(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarities, float32 (len(a), len(b))."""
        return np.exp(self._distances(a, b) / np.float32(-2 * self.width**2 * self.median))

    def cosine(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return cosines, 0 for genes without a vector."""
        x, y = self._rows(a)[:, :-1], self._rows(b)[:, :-1]
        return unit_length(x) @ unit_length(y).T

    def _rows(self, names: np.ndarray) -> np.ndarray:
        at = self.index.get_indexer(names)
        known = at >= 0
        out = np.zeros((len(names), self.table.shape[1] + 1), dtype=np.float32)
        out[known, :-1] = self.table[at[known]]
        out[~known, -1] = 1
        return out

    def _distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        x, y = self._rows(a), self._rows(b)
        d = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None] - 2 * x @ y.T
        return np.maximum(d, 0)


class Family:
    """Shared letters at the start of a symbol (SOX2 and SOX17, ZNF12 and ZNF91), and shared first three letters."""

    weight = 0.2

    def block(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarities, float32 (len(a), len(b))."""
        stem, start = (same(f(a), f(b)) for f in (self._stems, self._starts))
        out = np.float32(0.5 * self.weight) * (stem.astype(np.float32) + start)
        out[same(pd.Series(a), pd.Series(b))] = self.weight
        return out

    @staticmethod
    def _stems(names: np.ndarray) -> pd.Series:
        stem = pd.Series(names, dtype=object).str.upper().str.extract(r"^([A-Z]{3,})", expand=False)
        return stem.where(stem.notna(), pd.Series(names, dtype=object))

    @staticmethod
    def _starts(names: np.ndarray) -> pd.Series:
        return pd.Series(names, dtype=object).str.upper().str[:3]


class Position:
    """Nearness on the chromosome; of mouse genes that of their human orthologs."""

    weight = 0.1

    def __init__(self) -> None:
        table = tables.positions()
        self._index = pd.Index(table["symbol"])
        self._chromosome = np.append(pd.factorize(table["chromosome"])[0], -1).astype(np.int32)
        self._rank = np.append(table["position"].to_numpy(), 0).astype(np.float32)

    def block(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the similarities, float32 (len(a), len(b))."""
        i, j = (self._index.get_indexer(x) for x in (a, b))
        there = (self._chromosome[i][:, None] == self._chromosome[j][None]) & (i >= 0)[:, None]
        row, column = np.nonzero(there)
        distance = np.abs(self._rank[i[row]] - self._rank[j[column]])
        out = np.zeros(there.shape, dtype=np.float32)
        out[row, column] = 0.5 * self.weight * (np.exp(-distance / NEAR) + np.exp(-distance / FAR))
        out[same(pd.Series(a), pd.Series(b))] = self.weight
        return out


class Coexpression:
    """Patterns of expression: the correlation of each gene with anchor genes, brought to their main components, and its level.

    Only blocks of genes by anchors are dense; no matrix of cells.
    """

    weight = 1.0

    def __init__(self, expression: "AnnData", anchors: np.ndarray, rng: np.random.Generator) -> None:
        opened = open_expression(expression)
        names = pd.Index(opened.var.index.astype(str))
        self._columns = pd.Series(np.flatnonzero(~names.duplicated()), index=names[~names.duplicated()])
        x = drawn(opened.log_normalized(), MAX_CELLS, rng)
        self._x = sp.csc_array(x)
        mean, share = (np.asarray(m.mean(axis=0)).ravel() for m in (self._x, self._x > 0))
        spread = np.sqrt(np.maximum(np.asarray(self._x.multiply(self._x).mean(axis=0)).ravel() - mean**2, 0))
        self._level = np.stack([mean, share, spread], axis=1)
        here = self._columns.reindex(anchors).dropna().to_numpy(dtype=np.int64)
        here = here[spread[here] > 1e-6]  # a constant gene correlates with nothing
        self.n_anchors = len(here)
        self._anchors = np.sort(rng.permutation(here)[:MAX_ANCHORS])

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of all genes of the expression, float32 (n_genes, 3 + N_PCS), and their names."""
        r = correlation(self._x, self._anchors, self._anchors)
        value, vector = np.linalg.eigh(r)
        value, vector = value[::-1][:N_PCS], vector[:, ::-1][:, :N_PCS]
        good = value > 1e-6 * value[0]
        scale = vector[:, good] / np.sqrt(value[good])
        columns = self._columns.to_numpy()
        parts = [
            correlation(self._x, columns[s : s + 2048], self._anchors) @ scale for s in range(0, len(columns), 2048)
        ]
        pattern = np.concatenate(parts)
        pattern /= np.sqrt((pattern**2).sum(axis=1).mean()) + 1e-9
        return np.concatenate(
            [standardised(self._level[columns]) / np.sqrt(3), pattern], axis=1
        ), self._columns.index.to_numpy()


def standardised(x: np.ndarray, here: np.ndarray | None = None) -> np.ndarray:
    """Return columns at mean 0 and variance 1 over the rows ``here``, cut at four standard deviations."""
    some = x if here is None else x[here]
    return np.clip((x - some.mean(axis=0)) / (some.std(axis=0) + 1e-9), -CUT, CUT)


def same(a: pd.Series, b: pd.Series) -> np.ndarray:
    """Tell which names are the same, bool (len(a), len(b))."""
    code = pd.factorize(pd.concat([a, b], ignore_index=True))[0]
    return code[: len(a), None] == code[None, len(a) :]
