"""Mini-batches of a graph that is too large for one: cells that are trained on, and a sample of those that they hear from.

Walking back from the last step, a batch needs all genes (they are few), some neighbours of its cells (CC, made sparse), or some cells
at random (GC, and the whole CC). What is left out is made up for by the weights of what is kept, so that sums are right on average.
"""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.graphs import take_columns, take_rows
from scgnn_tools.labels.scgrapht.network import Chain, Rows
from scgnn_tools.labels.scgrapht.similarity import Matrix

NEIGHBORS, CELLS = 15, 20_000
"""Neighbours that are kept of a cell, and cells that stand for all where all are heard from."""


def batches(
    assembler: Assembler, cells: np.ndarray, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Rows, Rows, np.ndarray]]:
    """Yield (rows of the nodes, rows of the batch, positions in ``cells``) over an epoch."""
    order = rng.permutation(len(cells))
    for start in range(0, len(order), batch_size):
        some = np.sort(order[start : start + batch_size])
        yield *_sample(assembler, cells[some], rng), some


def _sample(assembler: Assembler, batch: np.ndarray, rng: np.random.Generator) -> tuple[Rows, Rows]:
    steps = assembler.graph.steps
    if len(steps) == 1:
        return assembler.nodes(), assembler.members(batch)
    wanted: np.ndarray | None = batch  # nodes whose state is needed; None: all genes
    chains: list[Chain | None] = [None] * len(steps)
    for i in range(len(steps) - 1, 0, -1):
        matrix = assembler.matrix(steps[i])
        if wanted is not None:
            matrix = take_rows(matrix, wanted)
        matrix, wanted = _heard(matrix, cells=steps[i][1] == "C", rng=rng)
        chains[i] = assembler.chain(matrix)
    first = assembler.first
    if first is None:
        matrix = assembler.matrix(steps[0])
        chains[0] = assembler.chain(matrix if wanted is None else take_rows(matrix, wanted))
    elif wanted is not None:
        first = first[wanted]
    nodes = Rows([*chains[:-1], None], assembler.tensor(first))
    return nodes, Rows([*[None] * (len(steps) - 1), chains[-1]])


def _heard(matrix: Matrix, *, cells: bool, rng: np.random.Generator) -> tuple[Matrix, np.ndarray | None]:
    """Return the matrix over a sample of its columns, and which these are; all of them (None) where they are genes."""
    if not cells:
        return matrix, None
    n = matrix[-1].shape[1]
    if len(matrix) == 1 and matrix[0].nnz < matrix[0].shape[0] * min(n, CELLS) // 4:  # few neighbours a row
        kept = _some_of_each(matrix[0], rng)
        columns = np.unique(kept.indices)
        return take_columns((kept,), columns), columns
    if n <= CELLS:
        return matrix, np.arange(n)
    columns = np.sort(rng.choice(n, CELLS, replace=False))
    *left, last = take_columns(matrix, columns)
    return (*left, sp.csr_array(last * np.float32(n / CELLS))), columns


def _some_of_each(matrix: sp.csr_array, rng: np.random.Generator) -> sp.csr_array:
    """Return at most so many entries of each row, drawn at random, scaled up to the row's sum."""
    counts = np.diff(matrix.indptr)
    if (counts <= NEIGHBORS).all():
        return matrix
    row = np.repeat(np.arange(matrix.shape[0]), counts)
    order = np.lexsort((rng.random(matrix.nnz), row))  # a random order within each row
    keep = np.sort(order[np.arange(matrix.nnz) - matrix.indptr[row] < NEIGHBORS])
    data, kept = matrix.data[keep], row[keep]
    before = np.bincount(row, matrix.data, matrix.shape[0])
    after = np.bincount(kept, data, matrix.shape[0])
    scale = np.divide(before, after, out=np.ones_like(before), where=after > 0)
    entries = ((data * scale[kept]).astype(np.float32), (kept, matrix.indices[keep]))
    return sp.csr_array(sp.coo_array(entries, shape=matrix.shape))
