"""A query beside labelled cells: opened, its values looked at, its genes found; its cells are made a block at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scgnn_tools.annotation import query as _query
from scgnn_tools.annotation.known import before_log, over_genes
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.same_cells import fingerprints
from scgnn_tools.data import Expression
from scgnn_tools.data.rows import keep_by_content
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import Cells

if TYPE_CHECKING:
    from scgnn_tools.genes import GeneMatch


@dataclass(frozen=True)
class OpenQuery:
    """Cells to label.

    Attributes
    ----------
    expression, found
        The opened matrix and where its genes are in the model's vocabulary.
    vectors
        Those that the user chose, float32 (n_cells, dimension); None to embed.
    """

    expression: Expression
    found: "GeneMatch"
    vectors: np.ndarray | None

    @property
    def genes(self) -> np.ndarray:
        """Positions of its genes in the vocabulary, sorted, int (n_genes,)."""
        return np.unique(self.found.index[self.found.matched])

    def fingerprints(self, shared: np.ndarray) -> np.ndarray:
        """Return the fingerprint of each cell over some genes, uint64 (n_cells,); all values are read, and refused if they are wrong."""
        return np.concatenate([fingerprints(counts) for _, counts in self._counts(shared, _query.BLOCK)])

    def query(self, shared: np.ndarray, model: FoundationModel) -> Query:
        """Return the cells over some genes, normalised and embedded over these alone."""

        def blocks() -> Iterator[Cells]:
            for start, counts in self._counts(shared, _query.BLOCK):
                cells = self._cells(counts, shared, model)
                own = None if self.vectors is None else self.vectors[start : start + len(cells)]
                yield cells if own is None else replace(cells, embedding=own)

        return Query(self.expression.n_obs, blocks)

    def part(self, rows: sp.csr_array, shared: np.ndarray, model: FoundationModel) -> Query:
        """Return some cells, given as rows of the matrix, as :meth:`query` returns all."""
        size, project = _query.BLOCK, self._projection(shared)
        starts = range(0, rows.shape[0], size)
        return Query(
            rows.shape[0],
            lambda: (self._cells(project(sp.csr_array(rows[i : i + size])), shared, model) for i in starts),
        )

    def looked_over(self, shared: np.ndarray, n: int) -> tuple[np.ndarray, sp.csr_array]:
        """Return the fingerprint of each cell and at most ``n`` rows chosen by what they hold, in one pass."""
        project, marks = self._projection(shared), []

        def blocks() -> Iterator[sp.csr_array]:
            for _, rows in self.expression.rows(_query.BLOCK):
                marks.append(fingerprints(project(rows)))
                yield rows

        some = keep_by_content(blocks(), n)
        return np.concatenate(marks), some

    def _cells(self, counts: sp.csr_array, shared: np.ndarray, model: FoundationModel) -> Cells:
        return over_genes(counts, shared, model, are_counts=self.expression.kind.kind == "counts")

    def _counts(self, shared: np.ndarray, size: int) -> Iterator[tuple[int, sp.csr_array]]:
        project = self._projection(shared)
        for start, rows in self.expression.rows(size):
            yield start, project(rows)

    def _projection(self, shared: np.ndarray) -> Callable[[sp.csr_array], sp.csr_array]:
        to_shared = sp.csr_array(self.found.projection()[:, shared])

        def project(rows: sp.csr_array) -> sp.csr_array:
            counts = sp.csr_array(before_log(rows, self.expression.kind.kind) @ to_shared)
            counts.sort_indices()
            return counts

        return project
