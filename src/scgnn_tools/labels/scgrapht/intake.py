"""From cells to what the graph takes: their edges to the graph's genes, and their vectors."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means, telling_genes
from scgnn_tools.labels.pca import GenePCA, column_variance
from scgnn_tools.labels.saving import nested, part
from scgnn_tools.labels.scgrapht.graphs import Values, edge_values
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder


@dataclass(frozen=True)
class CellVectors:
    """Vectors of cells as the network takes them: ``(raw - centre) / spread``.

    Attributes
    ----------
    encoder
        Gives the raw vectors; None takes those that the cells have, beside their principal components if there is a ``pca``.
    pca
        Principal components.
    centre, spread
        float32 (d,).
    """

    encoder: TunedEncoder | None
    pca: GenePCA | None
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, train: Cells, *, encoder: TunedEncoder | None, principal: int, standardize: bool) -> "CellVectors":
        """Learn from the training cells; without ``standardize`` the vectors stay as they are."""
        pca = GenePCA(n_components=principal).fit(train.expression) if principal and encoder is None else None
        raw = _raw(train, encoder, pca)
        if standardize:
            return cls(encoder, pca, raw.mean(axis=0), raw.std(axis=0) + 1e-6)
        return cls(encoder, pca, np.zeros(raw.shape[1], np.float32), np.ones(raw.shape[1], np.float32))

    def __call__(self, cells: Cells) -> np.ndarray:
        """Return the vectors, float32 (n_cells, d)."""
        return (_raw(cells, self.encoder, self.pca) - self.centre) / self.spread

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs; the encoder is kept by whoever trained it."""
        out = {"centre": self.centre, "spread": self.spread}
        return out | nested(pca=self.pca.state() if self.pca else {})

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], encoder: TunedEncoder | None) -> "CellVectors":
        """Return the vectors that :meth:`state` was asked of."""
        pca = part(arrays, "pca")
        return cls(encoder, GenePCA().restore(pca) if pca else None, arrays["centre"], arrays["spread"])


@dataclass(frozen=True)
class Intake:
    """What the graph takes from cells.

    Attributes
    ----------
    genes
        Columns of the expression that are genes of the graph, int (n_genes,).
    values
        Weights of the edges.
    vectors
        The vectors; None where none go in.
    """

    genes: np.ndarray
    values: Values
    vectors: CellVectors | None

    def edges(self, cells: Cells) -> sp.csr_array:
        """Return the edges of cells to the genes of the graph, CSR float32 (n_cells, n_genes)."""
        expression = sp.csr_array(cells.expression)
        if self.values == "binned-chosen":
            return edge_values(sp.csr_array(expression[:, self.genes]), "binned").astype(np.float32)
        return edge_values(expression, self.values)[:, self.genes].astype(np.float32)

    def vectors_of(self, cells: Cells) -> np.ndarray | None:
        """Return the vectors of cells, float32 (n_cells, d); None where none go in."""
        return None if self.vectors is None else self.vectors(cells)


def choose_genes(train: Cells, labels: np.ndarray, how: Literal["telling", "variable"], n_genes: int) -> np.ndarray:
    """Return the columns of the genes whose means differ most between classes, or of the most variable ones."""
    if how == "telling":
        return telling_genes(class_means(train.expression, labels), n_genes)
    return np.sort(np.argsort(-column_variance(train.expression), kind="stable")[:n_genes])


def vectors_of_genes(cells: Cells, genes: np.ndarray, model: FoundationModel) -> np.ndarray:
    """Return a foundation model's vectors of some columns, float32 (n_genes, d); zeros for a gene that it does not know.

    They are divided by their root mean square: models differ in scale by orders of magnitude.
    """
    if cells.genes is None:
        msg = "These cells do not know the names of their genes, of which vectors are wanted. Pass gene_inputs='identity'."
        raise InputValueError(msg)
    found = model.match_names(cells.genes[genes].astype(str))
    table = model.gene_table()
    out = np.zeros((len(genes), table.shape[1]), dtype=np.float32)
    out[found.matched] = np.nan_to_num(table[found.index[found.matched]])
    return out / max(float(np.sqrt((out[out.any(axis=1)] ** 2).mean())) if out.any() else 1.0, 1e-12)


def _raw(cells: Cells, encoder: TunedEncoder | None, pca: GenePCA | None) -> np.ndarray:
    if encoder is not None:
        return encoder.of(cells)[0]
    parts = [cells.embedding] if pca is None else [cells.embedding, pca.transform(cells.expression)]
    return np.concatenate(parts, axis=1).astype(np.float32)
