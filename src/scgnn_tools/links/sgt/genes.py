"""How alike are two genes? One kernel, the sum of what several sources say, for any names, training genes or not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import fm, genes
from scgnn_tools.data import open_expression
from scgnn_tools.genes import tables
from scgnn_tools.graph.coexpression import correlation
from scgnn_tools.links._expression import drawn

if TYPE_CHECKING:
    from anndata import AnnData

CUT = 4.0
BUNDLED = ("corpus-svd", "cgc-mini")
MIN_SHARE = 0.1
"""Of the genes must be known to a source of vectors; with fewer it says nothing of the others."""

N_PCS, N_VECTOR_PCS = 20, 64
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
        return _unit(x) @ _unit(y).T

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
        stem, start = (_same(*_codes(f(a), f(b))) for f in (self._stems, self._starts))
        out = np.float32(0.5 * self.weight) * (stem.astype(np.float32) + start)
        out[_same(*_codes(pd.Series(a), pd.Series(b)))] = self.weight
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
        out[_same(*_codes(pd.Series(a), pd.Series(b)))] = self.weight
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
            [_standardised(self._level[columns]) / np.sqrt(3), pattern], axis=1
        ), self._columns.index.to_numpy()


class GeneKernel:
    """Similarity of genes from all sources that are there, and its main directions as features.

    Parameters
    ----------
    landmarks
        Genes that the directions are taken from; the training genes, or some of them.
    embedding, expression
        As in ``fit``; None, or without enough of the landmarks, leaves the source out.
    knowledge
        Whether bundled gene vectors, symbols and positions count.
    rank
        Number of directions.

    Attributes
    ----------
    sources
        Names of what is used: "vectors", "bundled", "coexpression", "family", "position".
    """

    def __init__(
        self,
        landmarks: np.ndarray,
        *,
        embedding: pd.DataFrame | None,
        expression: "AnnData | None",
        knowledge: bool,
        rank: int,
        rng: np.random.Generator,
    ) -> None:
        self._sources: dict[str, Vectors | Family | Position] = {}
        self._symbols: dict[str, np.ndarray] = {}
        self._organism = genes.detect_organism(landmarks)
        if embedding is not None:
            self._add_embedding(embedding, landmarks)
        if knowledge:
            self._add_bundled(landmarks)
        if expression is not None:
            found = Coexpression(expression, landmarks, rng)
            if found.n_anchors > max(2, MIN_SHARE * len(landmarks)):
                table, names = found.vectors()
                self._sources["coexpression"] = Vectors.of(table, names, landmarks, 0.7)
        if knowledge:
            self._sources["family"] = Family()
            self._sources["position"] = Position()
        self.sources = list(self._sources)
        self._landmarks = landmarks
        gram = self.block(landmarks, landmarks)
        value, vector = np.linalg.eigh(gram) if self.sources else (np.zeros(0), np.zeros((len(landmarks), 0)))
        value, vector = value[::-1][:rank], vector[:, ::-1][:, :rank]
        good = value > 1e-5 * value[:1]
        self._map = (vector[:, good] / np.sqrt(value[good])).astype(np.float32)  # (n_landmarks, rank)

    def block(self, a: np.ndarray, b: np.ndarray, source: str | None = None) -> np.ndarray:
        """Return the kernel of names ``a`` with names ``b``, of one source or of all, float32 (len(a), len(b))."""
        out = np.zeros((len(a), len(b)), dtype=np.float32)
        for name in self.sources if source is None else [source]:
            x, y = (self._named(v) if name in ("bundled", "position") else v for v in (a, b))
            out += self._sources[name].block(x, y)
        return out

    def features(self, names: np.ndarray, source: str | None = None) -> np.ndarray:
        """Return features whose inner product is the kernel, float32 (n, rank); with ``source`` its part of them."""
        parts = [
            self.block(names[s : s + 2048], self._landmarks, source) @ self._map for s in range(0, len(names), 2048)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self._map.shape[1]), dtype=np.float32)

    def kin(self, names: np.ndarray, tfs: np.ndarray) -> np.ndarray:
        """Return how alike genes and factors are, from 0 to 1, float32 (n, n_tfs); 0 of a factor with itself."""
        out = self.block(names, tfs)
        most = sum(s.weight for s in self._sources.values()) or 1.0
        out = (out / np.float32(most)) ** 2
        out[_same(*_codes(pd.Series(names), pd.Series(tfs)))] = 0
        return out

    def cosine(self, source: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the cosine of the vectors of a source; 0 where there is none."""
        if source not in self._sources:
            return np.zeros((len(a), len(b)), dtype=np.float32)
        return self._sources[source].cosine(a, b)  # type: ignore[union-attr]

    def _add_embedding(self, embedding: pd.DataFrame, landmarks: np.ndarray) -> None:
        x = embedding[~embedding.index.duplicated()]
        x = x[np.isfinite(x.to_numpy(dtype=np.float64)).all(axis=1)]
        names = x.index.astype(str).to_numpy(dtype=object)
        here = np.isin(names, landmarks)
        if here.sum() < max(3, MIN_SHARE * len(landmarks)):
            return
        z = _standardised(x.to_numpy(dtype=np.float64), here)
        _, _, v = np.linalg.svd(z[here], full_matrices=False)
        z = z @ v[:N_VECTOR_PCS].T
        z /= np.sqrt((z[here] ** 2).sum(axis=1).mean()) + 1e-9
        self._sources["vectors"] = Vectors.of(z, names, landmarks, 1.0)

    def _add_bundled(self, landmarks: np.ndarray) -> None:
        models = [fm.load(name) for name in BUNDLED]
        vectors = [pd.DataFrame(m.gene_table(), index=m.vocabulary.astype(object)) for m in models]
        table = pd.concat([v[~v.index.duplicated()] for v in vectors], axis=1, join="inner").dropna()
        named = self._named(landmarks)
        here = table.index.isin(named)
        if here.sum() < max(3, MIN_SHARE * len(landmarks)):
            return
        z = _standardised(table.to_numpy(dtype=np.float64), here) / np.sqrt(table.shape[1])
        self._sources["bundled"] = Vectors.of(z, table.index.to_numpy(dtype=object), named, 0.8)

    def _named(self, names: np.ndarray) -> np.ndarray:
        """Return the symbols that the bundled tables know the genes by."""
        new = [n for n in dict.fromkeys(names) if n not in self._symbols]
        if new:
            asked = np.array(new, dtype=object)
            vocabulary = fm.load(BUNDLED[0]).vocabulary
            found = genes.match(asked, vocabulary, organism=self._organism)
            other = genes.canonical_symbols(asked, organism=self._organism)
            self._symbols.update(zip(new, np.where(found.matched, found.vocabulary[found.index], other), strict=True))
        return np.array([self._symbols[n] for n in names], dtype=object)


def _standardised(x: np.ndarray, here: np.ndarray | None = None) -> np.ndarray:
    """Return columns at mean 0 and variance 1 over the rows ``here``, cut at four standard deviations."""
    some = x if here is None else x[here]
    return np.clip((x - some.mean(axis=0)) / (some.std(axis=0) + 1e-9), -CUT, CUT)


def _unit(x: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)


def _codes(a: pd.Series, b: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    code = pd.factorize(pd.concat([a, b], ignore_index=True))[0]
    return code[: len(a)], code[len(a) :]


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, None] == b[None]
