"""The four matrices over cells and genes, for the cells of the graph and for cells that ask.

The cells of the graph are those of training (inductive), or all that there are (transductive). A cell that asks is linked to the genes
that it expresses and to cells of the graph; nothing is linked to it, so that its answer does not depend on the others that ask.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools.data.binning import bin_values
from scgnn_tools.labels.scgrapht.pathway import starts_with_cells
from scgnn_tools.labels.scgrapht.similarity import Matrix, Sparsify, cosine, projection, unit_rows
from scgnn_tools.nn import csr_product, csr_transpose

Normalize = Literal["none", "row", "sym"]
Values = Literal["log", "binned", "binned-chosen"]
N_BINS = 51
EXACT_UP_TO = 20_000
"""Cells up to which neighbours are found by comparing every pair."""


def edge_values(expression: sp.csr_array, values: Values) -> sp.csr_array:
    """Return the weights of cell–gene edges: log-normalised expression, or scGPT's bins from 1/51 to 50/51 as the published code has."""
    if values == "log":
        return expression
    positive = sp.csr_array((np.expm1(expression.data), expression.indices, expression.indptr), shape=expression.shape)
    return sp.csr_array(
        (bin_values(positive, N_BINS) / N_BINS, expression.indices, expression.indptr), shape=expression.shape
    )


@dataclass
class Graph:
    """Cells of the graph, their genes, and the matrices that a pathway needs.

    Parameters
    ----------
    steps
        The pathway.
    cells
        Expression of the graph's cells over the graph's genes, CSR float32 (n_cells, n_genes).
    normalize
        "none" leaves the weights as they are (paper and published code), "row" makes each row a mean, "sym" divides by the square roots
        of both degrees.
    sparsify
        Of the cosine graphs; see :data:`~scgnn_tools.labels.scgrapht.similarity.Sparsify`.
    attached
        Whether cells that ask are new ones, which are linked to themselves, as the graph's cells are; False where they are of the graph.
    gene_degree
        Sum of the weights of each gene's edges, where the cells that it was taken over are not kept; else it is taken over ``cells``.
    gene_graph
        What genes hear from each other, the receiver in the row, CSR float32 (n_genes, n_genes); None takes the cosines of their
        expression.
    """

    steps: tuple[str, ...]
    cells: sp.csr_array
    normalize: Normalize = "row"
    sparsify: Sparsify = "whole"
    attached: bool = True
    gene_degree: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gene_graph: sp.csr_array | None = None
    _degree: np.ndarray = field(init=False)
    _unit: sp.csr_array = field(init=False)
    _raw: Matrix = field(init=False)
    _project: np.ndarray | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if len(self.gene_degree) == 0:
            self.gene_degree = np.asarray(self.cells.sum(axis=0, dtype=np.float64)).ravel()
        if "CC" in self.steps:
            self._unit = unit_rows(self.cells)
            by_number = isinstance(self.sparsify, int | np.integer)
            self._project = projection(self._unit) if by_number and self.cells.shape[0] > EXACT_UP_TO else None
            self._raw = cosine(self._unit, self._unit, self.sparsify, among=True, project=self._project)
            self._degree = _degree(self._raw)

    def matrix(self, step: str) -> Matrix:
        """Return the matrix of a step over the graph's own nodes."""
        if step == "GC":
            scaled = _scaled(self.cells, self.normalize, self.gene_degree, columns=False)
            indptr, indices, data = csr_transpose(scaled.indptr, scaled.indices, scaled.data, scaled.shape[1], np.int32)
            return (sp.csr_array((data, indices, indptr), shape=scaled.shape[::-1]),)
        if step == "CG":
            return (_scaled(self.cells, self.normalize, self.gene_degree, columns=True),)
        if step == "GG":
            if self.gene_graph is None:
                return _normalized(_genes(self.cells, self.sparsify), self.normalize)
            sent = np.asarray(self.gene_graph.sum(axis=0, dtype=np.float64)).ravel()
            return (_scaled(self.gene_graph, self.normalize, sent, columns=True),)
        return _normalized(self._raw, self.normalize)

    def asked(self, step: str, cells: sp.csr_array) -> tuple[Matrix, np.ndarray | None]:
        """Return the rows of cells that ask in the matrix of a step, and the weights with which they are linked to themselves."""
        if step == "CG":
            return (_scaled(cells, self.normalize, self.gene_degree, columns=True),), None
        unit = unit_rows(cells)
        sparsify = self.sparsify
        if not self.attached and isinstance(sparsify, int | np.integer):
            sparsify += 1  # the cell itself is among its neighbours
        raw = cosine(unit, self._unit, sparsify, among=False, project=self._project)
        loop = (
            (np.diff(unit.indptr) > 0).astype(np.float32)
            if self.attached
            else np.zeros(len(unit.indptr) - 1, np.float32)
        )
        degree = _degree(raw) + loop
        if self.normalize == "none":
            return raw, loop
        if self.normalize == "row":
            scale = _inverse(degree)
            return _times(raw, scale, None), (loop * scale).astype(np.float32)
        scale = _inverse(np.sqrt(degree))
        return _times(raw, scale, _inverse(np.sqrt(self._degree))), (loop * scale**2).astype(np.float32)

    def needs_own_state(self) -> bool:
        """Tell whether a cell that asks is linked to itself somewhere."""
        return "CC" in self.steps and self.attached


def take_rows(matrix: Matrix, rows: np.ndarray) -> Matrix:
    """Return some rows of a matrix."""
    return sp.csr_array(matrix[0][rows]), *matrix[1:]


def take_columns(matrix: Matrix, columns: np.ndarray) -> Matrix:
    """Return some columns of a matrix."""
    return *matrix[:-1], sp.csr_array(matrix[-1][:, columns])


def product(matrix: Matrix, features: np.ndarray) -> np.ndarray:
    """Return the matrix times features, float32."""
    for factor in reversed(matrix):
        values = np.asarray(factor.data, dtype=np.float32)
        features = csr_product(factor.indptr, factor.indices, values, np.ascontiguousarray(features, dtype=np.float32))
    return features


def first_product(graph: Graph, vectors: np.ndarray) -> np.ndarray | None:
    """Return the first matrix times the vectors of the graph's cells, which no training changes; None where genes come first."""
    return product(graph.matrix(graph.steps[0]), vectors) if starts_with_cells(graph.steps) else None


def _genes(cells: sp.csr_array, sparsify: Sparsify) -> Matrix:
    """Return the cosine graph of genes: whole, one matrix if that is the smaller way to keep it, else two factors."""
    unit = unit_rows(sp.csr_array(cells.T))
    if sparsify == "whole" and unit.shape[0] ** 2 <= 2 * unit.nnz + 2**22:
        return (sp.csr_array(unit @ unit.T),)
    return cosine(unit, unit, sparsify, among=True)


def _scaled(cells: sp.csr_array, normalize: Normalize, gene_degree: np.ndarray, *, columns: bool) -> sp.csr_array:
    """Return A_CG (``columns``: means over the genes of a cell) or the transpose of A_GC (means over the cells of a gene).

    In the place of the cells genes may hear, of a graph that has directions.
    """
    if normalize == "none":
        return cells
    cell_degree = np.asarray(cells.sum(axis=1, dtype=np.float64)).ravel()
    if normalize == "sym":
        left, right = _inverse(np.sqrt(cell_degree)), _inverse(np.sqrt(gene_degree))
        return _times((cells,), left, right)[0]
    return _times((cells,), _inverse(cell_degree) if columns else None, None if columns else _inverse(gene_degree))[0]


def _degree(matrix: Matrix) -> np.ndarray:
    ones = np.ones((matrix[-1].shape[1], 1))
    for factor in reversed(matrix):
        ones = np.asarray(factor @ ones)
    return ones.ravel()


def _normalized(matrix: Matrix, normalize: Normalize) -> Matrix:
    if normalize == "none":
        return matrix
    degree = _degree(matrix)
    if normalize == "row":
        return _times(matrix, _inverse(degree), None)
    scale = _inverse(np.sqrt(degree))
    return _times(matrix, scale, scale)


def _times(matrix: Matrix, left: np.ndarray | None, right: np.ndarray | None) -> Matrix:
    """Return the matrix with rows and columns scaled."""
    out = list(matrix)
    if left is not None:
        out[0] = sp.csr_array(sp.diags_array(left) @ out[0]).astype(np.float32)
    if right is not None:
        out[-1] = sp.csr_array(out[-1] @ sp.diags_array(right)).astype(np.float32)
    return tuple(out)


def _inverse(x: np.ndarray) -> np.ndarray:
    return np.divide(1, x, out=np.zeros_like(x, dtype=np.float64), where=x > 0)
