"""A query beside labelled cells: opened, its values looked at, its genes found; its cells are made a block at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scgnn_tools.annotation import query as _query
from scgnn_tools.annotation.known import before_log, over_genes
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.same_cells import fingerprints
from scgnn_tools.data import Expression
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import Cells

if TYPE_CHECKING:
    from scgnn_tools.genes import GeneMatch


@dataclass(frozen=True)
class Asked:
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
        are_counts = self.expression.kind.kind == "counts"

        def blocks() -> Iterator[Cells]:
            for start, counts in self._counts(shared, _query.BLOCK):
                cells = over_genes(counts, shared, model, are_counts=are_counts)
                own = None if self.vectors is None else self.vectors[start : start + len(cells)]
                yield cells if own is None else replace(cells, embedding=own)

        return Query(self.expression.n_obs, blocks)

    def _counts(self, shared: np.ndarray, size: int) -> Iterator[tuple[int, sp.csr_array]]:
        to_shared = sp.csr_array(self.found.projection()[:, shared])
        for start, rows in self.expression.rows(size):
            counts = sp.csr_array(before_log(rows, self.expression.kind.kind) @ to_shared)
            counts.sort_indices()
            yield start, counts
