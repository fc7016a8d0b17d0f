"""How alike are two genes? One kernel, the sum of what several sources say, for any names, training genes or not."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools.links._protocol import check_vectors
from scgnn_tools.links.sgt.sources import Coexpression, Family, Position, Vectors, same, standardised

if TYPE_CHECKING:
    from anndata import AnnData

BUNDLED = ("corpus-svd", "cgc-mini")
MIN_SHARE = 0.1
"""Of the genes must be known to a source of vectors; with fewer it says nothing of the others."""

N_VECTOR_PCS = 64


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
        out[same(pd.Series(names), pd.Series(tfs))] = 0
        return out

    def cosine(self, source: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the cosine of the vectors of a source; 0 where there is none."""
        if source not in self._sources:
            return np.zeros((len(a), len(b)), dtype=np.float32)
        return self._sources[source].cosine(a, b)  # type: ignore[union-attr]

    def _add_embedding(self, embedding: pd.DataFrame, landmarks: np.ndarray) -> None:
        embedding = check_vectors(embedding)
        x = embedding[~embedding.index.duplicated()]
        x = x[np.isfinite(x.to_numpy(dtype=np.float64)).all(axis=1)]
        names = x.index.astype(str).to_numpy(dtype=object)
        here = np.isin(names, landmarks)
        if here.sum() < max(3, MIN_SHARE * len(landmarks)):
            return
        z = standardised(x.to_numpy(dtype=np.float64), here)
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
        z = standardised(table.to_numpy(dtype=np.float64), here) / np.sqrt(table.shape[1])
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
