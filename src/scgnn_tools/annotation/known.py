"""Labelled cells as they are kept: counts over genes of the model, so that a model can be trained on the genes that a query has too."""

import warnings
from dataclasses import dataclass, replace

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import SgtWarning
from scgnn_tools.annotation.query import joined
from scgnn_tools.data import noted
from scgnn_tools.data.batches import CHUNK
from scgnn_tools.data.normalize import log_normalize
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import Cells


@dataclass(frozen=True)
class KnownCells:
    """Labelled cells of one experiment or several, over the genes of a model that all of them have.

    Attributes
    ----------
    counts
        CSR float32 (n_cells, n_genes); of log-normalised data what they were before the logarithm.
    genes
        Positions of the columns in the model's vocabulary, sorted, int (n_genes,).
    labels
        Str (n_cells,).
    names
        Of the cells, as their objects call them, object (n_cells,).
    experiments
        Which experiment each cell is of, int (n_cells,).
    experiment_names
        What these are called.
    are_counts
        Whether ``counts`` are counts for all cells.
    vectors
        Those that the user chose, float32 (n_cells, dimension); None to embed.
    gene_graph
        As in :class:`~scgnn_tools.labels.Cells`, over ``genes``; None where nobody asks for it.
    """

    counts: sp.csr_array
    genes: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    experiments: np.ndarray
    experiment_names: tuple[str, ...]
    are_counts: bool
    vectors: np.ndarray | None
    gene_graph: sp.csr_array | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_experiments(self) -> int:
        """How many experiments there are."""
        return len(self.experiment_names)

    def take(self, cells: np.ndarray) -> "KnownCells":
        """Return these cells; an experiment none of whose cells is left is left out."""
        left, codes = np.unique(self.experiments[cells], return_inverse=True)
        return replace(
            self,
            counts=sp.csr_array(self.counts[cells]),
            labels=self.labels[cells],
            names=self.names[cells],
            experiments=codes,
            experiment_names=tuple(self.experiment_names[e] for e in left),
            vectors=None if self.vectors is None else self.vectors[cells],
        )

    def over(self, shared: np.ndarray) -> sp.csr_array:
        """Return the counts over some of the genes, given as positions in the vocabulary, CSR (n_cells, n_shared)."""
        if np.array_equal(shared, self.genes):
            return self.counts
        return sp.csr_array(self.counts[:, np.searchsorted(self.genes, shared)])

    def graph_over(self, shared: np.ndarray) -> sp.csr_array | None:
        """Return the graph of some of the genes, given as positions in the vocabulary, CSR (n_shared, n_shared); None if there is none."""
        at = np.searchsorted(self.genes, shared)
        return None if self.gene_graph is None else sp.csr_array(self.gene_graph[at][:, at])

    def cells(self, shared: np.ndarray, model: FoundationModel) -> Cells:
        """Return the cells over some of the genes, normalised and embedded over these alone."""
        counts = self.over(shared)
        blocks = (sp.csr_array(counts[i : i + CHUNK]) for i in range(0, len(self), CHUNK))
        out = joined([over_genes(b, shared, model, are_counts=self.are_counts) for b in blocks])
        out = replace(out, gene_graph=self.graph_over(shared))
        return out if self.vectors is None else replace(out, embedding=self.vectors)


def over_genes(counts: sp.csr_array, shared: np.ndarray, model: FoundationModel, *, are_counts: bool) -> Cells:
    """Return cells over some genes of the vocabulary, normalised and embedded over these alone."""
    names, x = model.vocabulary[shared].astype(object), log_normalize(counts)
    log = model.card.input == "log1p"
    part = ad.AnnData(sp.csr_matrix(x if log else counts), var=pd.DataFrame(index=names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SgtWarning)  # cells without counts are reported by the caller
        noted(part, "log1p" if log else "counts")
        vectors = model.embed_cells(part, layer="X", organism=model.card.organism)
    totals = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel() if are_counts else None
    return Cells(x, vectors, names, totals)


def before_log(rows: sp.csr_array, kind: str) -> sp.csr_array:
    """Return rows of ``kind`` "counts" or "log1p" without the logarithm: sums over other genes need new totals."""
    if kind != "log1p":
        return rows
    return sp.csr_array((np.expm1(np.minimum(rows.data, 25)), rows.indices, rows.indptr), shape=rows.shape)
