"""Which genes hear from which, where that is known and not made from expression."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import printable
from scgnn_tools.labels._protocol import Cells

COSINE = "cosine"
"""``gene_graph`` of a graph that is made from expression; any other text is a key of ``varp``, whose graph comes with the cells."""


def key_of(options: Mapping[str, Any]) -> str | None:
    """Return the key of ``varp`` that options of a method ask for; None where they ask for none."""
    asked = options.get("gene_graph", COSINE)
    return None if asked == COSINE else asked


def heard(cells: Cells, genes: np.ndarray, key: str) -> sp.csr_array:
    """Return what genes hear from each other, the receiver in the row, CSR float32 (n_genes, n_genes).

    Every gene hears itself: where the graph has no such edge, by as much as its heaviest edge weighs, so that the unit of the weights does
    not matter where rows or columns are divided by their sums.

    Parameters
    ----------
    cells
        Whose ``gene_graph`` it is.
    genes
        Columns of their expression, int (n_genes,).
    key
        What the graph is called.

    Raises
    ------
    InputValueError
        If the cells bring no graph.
    GraphError
        If none of its edges lies between the genes.
    """
    if cells.gene_graph is None:
        msg = (
            f"gene_graph={printable(key)!r} is a graph that comes with the cells, and these have none. Pass cells with "
            f"Cells(gene_graph=…), or gene_graph={COSINE!r}."
        )
        raise InputValueError(msg)
    among = sp.csr_array(cells.gene_graph[genes][:, genes])
    own = among.diagonal()
    if among.nnz == np.count_nonzero(own):
        msg = (
            f"None of the edges of gene_graph={printable(key)!r} lies between the {len(genes):,} genes of the graph. Pass a larger "
            f"n_genes=, a graph with other edges, or gene_graph={COSINE!r}."
        )
        raise GraphError(msg)
    loops = np.where(own > 0, 0, among.max())
    out = sp.csr_array(among.T + sp.diags_array(loops)).astype(np.float32)
    out.eliminate_zeros()
    out.sort_indices()
    return out
