"""From a graph to what the network multiplies with: the graph's nodes, cells of it, and cells that ask."""

from typing import overload

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools.labels.scgrapht.graphs import Graph, product, take_rows
from scgnn_tools.labels.scgrapht.network import Chain, Rows
from scgnn_tools.labels.scgrapht.pathway import starts_with_cells
from scgnn_tools.labels.scgrapht.similarity import Matrix


class Assembler:
    """Makes the rows of one graph.

    Parameters
    ----------
    graph
        The graph.
    first
        Its first matrix times the vectors of its cells; None where the input is the identity.
    vectors
        The vectors of its cells; needed where the pathway begins with CC.
    device
        Where to compute.
    of_genes
        Vectors of the genes of the graph, (n_genes, d), where these are the network's input; None elsewhere.
    """

    def __init__(
        self,
        graph: Graph,
        first: np.ndarray | None,
        vectors: np.ndarray | None,
        device: torch.device,
        of_genes: np.ndarray | None = None,
    ) -> None:
        self.graph, self.first, self.vectors, self.device, self.of_genes = graph, first, vectors, device, of_genes
        self._made: dict[str, Matrix] = {}

    def nodes(self) -> Rows:
        """Return the rows of all nodes, for the layers before the last."""
        chains: list[Chain | None] = []
        for i, step in enumerate(self.graph.steps[:-1]):
            chains.append(None if i == 0 and self.first is not None else self.chain(self.matrix(step)))
        return Rows([*chains, None], self.tensor(self.first))

    @property
    def width(self) -> int:
        """Width of the network's input: of the vectors, or the number of nodes where it is the identity."""
        if self.first is not None:
            return self.first.shape[1]
        if self.of_genes is not None:
            return self.of_genes.shape[1]
        return self.graph.cells.shape[0 if starts_with_cells(self.graph.steps) else 1]

    def members(self, cells: np.ndarray, *, trained: bool = True) -> Rows:
        """Return the rows of cells of the graph, in the last layer."""
        last = len(self.graph.steps) - 1
        if last == 0 and self.first is not None:
            return Rows([None], self.tensor(self.first[cells]))
        chain = self.chain(take_rows(self.matrix(self.graph.steps[-1]), cells), trained=trained)
        return Rows([*[None] * last, chain])

    def asked(self, cells: sp.csr_array, vectors: np.ndarray | None, *, trained: bool = False) -> Rows:
        """Return the rows of cells that ask, whose expression and vectors these are; ``trained`` lets gradients through."""
        steps, own = self.graph.steps, self.graph.needs_own_state()
        chains: list[Chain | None] = []
        first = loop = None
        made: dict[str, tuple[Matrix, np.ndarray | None]] = {}
        for i, step in enumerate(steps):
            wanted = i == len(steps) - 1 or (own and steps[i + 1] == "CC")
            if step[0] == "G" or not wanted:
                chains.append(None)
                continue
            if step not in made:
                made[step] = self.graph.asked(step, cells)
            matrix, weights = made[step]
            if step == "CC" and own:
                loop = weights
            if i == 0 and self.first is not None:
                first = product(matrix, self.vectors)  # type: ignore[arg-type]
                if own:
                    first = first + loop[:, None] * vectors  # type: ignore[index]
                chains.append(None)
            else:
                chains.append(self.chain(matrix, trained=trained))
        as_column = None if loop is None else self.tensor(loop[:, None])
        return Rows(chains, self.tensor(first), as_column)

    def matrix(self, step: str) -> Matrix:
        """Return the matrix of a step, made once."""
        if step not in self._made:
            self._made[step] = self.graph.matrix(step)
        return self._made[step]

    def chain(self, matrix: Matrix, *, trained: bool = True) -> Chain:
        """Return a matrix on the device; ``trained`` lets gradients through."""
        return Chain(matrix, device=self.device, trained_through=trained)

    @overload
    def tensor(self, x: np.ndarray) -> torch.Tensor: ...

    @overload
    def tensor(self, x: None) -> None: ...

    def tensor(self, x: np.ndarray | None) -> torch.Tensor | None:
        """Return an array on the device, float32; None stays None."""
        return None if x is None else torch.as_tensor(x, dtype=torch.float32, device=self.device)
