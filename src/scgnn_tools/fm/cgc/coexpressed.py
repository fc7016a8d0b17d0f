"""Co-expression edges of some cells, added to the gene graph of a vocabulary."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.fm.cgc.graph import GeneGraph
from scgnn_tools.graph.coexpression import coexpression, correlation_of_pairs

THRESHOLD = 0.6
LEAST_CELLS = 10
"""Cells that express a gene with co-expression edges: two genes of a single cell correlate perfectly, and say nothing."""


def with_coexpression(
    graph: GeneGraph,
    x: sp.csr_array,
    *,
    threshold: float = THRESHOLD,
    least_cells: int = LEAST_CELLS,
    variant: str = "repo",
) -> GeneGraph:
    """Return the graph with the co-expression edges of some cells.

    Parameters
    ----------
    graph
        Its other edges are kept; correlations that it had are dropped.
    x
        Log-normalised expression of these cells over the vocabulary, CSR (n_cells, n_genes).
    threshold
        Least correlation of an edge.
    least_cells
        Cells that express a gene, at least.
    variant
        "paper": an edge where the correlation is above the threshold; the other edges have none. "repo", as the published code does:
        where its size is above the threshold, and every edge, whatever its source, bears the correlation of its genes.
    """
    n = len(graph.offsets) - 1
    seen = np.bincount(x.indices[x.data != 0], minlength=n) >= least_cells
    often = sp.csr_array(x @ sp.diags_array(seen.astype(x.dtype)))
    often.eliminate_zeros()
    pairs = sp.coo_array(coexpression(often, threshold=threshold, sign="positive" if variant == "paper" else "signed"))
    own = np.repeat(np.arange(n, dtype=np.int64), np.diff(graph.offsets)) * n + graph.targets
    fresh = pairs.row.astype(np.int64) * n + pairs.col
    edges = np.unique(np.concatenate([own, fresh]))
    at = np.searchsorted(edges, own)
    regulates, distance = (np.zeros(len(edges), dtype=np.int8) for _ in range(2))
    regulates[at], distance[at] = graph.regulates, graph.distance
    if variant == "paper":
        correlation = np.zeros(len(edges), dtype=np.float32)
        correlation[np.searchsorted(edges, fresh)] = pairs.data
    else:
        correlation = correlation_of_pairs(often, edges // n, edges % n)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(edges // n, minlength=n))])
    return GeneGraph(offsets, (edges % n).astype(np.int32), regulates, correlation, distance)
