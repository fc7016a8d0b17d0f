"""Cells to label, a block at a time: many of them take no more memory than a few."""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels import Cells

BLOCK = 1024
"""Cells that are in memory at once."""


class Query:
    """Cells to label.

    Parameters
    ----------
    n_cells
        How many.
    blocks
        Makes them, in their order, each time that it is called.
    """

    def __init__(self, n_cells: int, blocks: Callable[[], Iterator[Cells]]) -> None:
        self._n_cells, self.blocks = n_cells, blocks

    @classmethod
    def of(cls, cells: Cells) -> "Query":
        """Return cells that are in memory, as one block."""
        return cls(len(cells), lambda: iter([cells]))

    def __len__(self) -> int:
        return self._n_cells

    def whole(self) -> Cells:
        """Return all cells at once."""
        return joined(list(self.blocks()))

    def take(self, cells: np.ndarray) -> Cells:
        """Return these cells, in this order."""
        return self.whole().take(cells)


def joined(parts: list[Cells]) -> Cells:
    """Return the cells of several sets over the same genes, one set after the other."""
    out = parts[0]
    if len(parts) == 1:
        return out
    totals = [part.totals for part in parts if part.totals is not None]
    return Cells(
        sp.csr_array(sp.vstack([part.expression for part in parts], format="csr")),
        np.concatenate([part.embedding for part in parts]),
        out.genes,
        np.concatenate(totals) if len(totals) == len(parts) else None,
        gene_graph=out.gene_graph,
    )
