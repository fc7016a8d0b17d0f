"""Sparse graphs from arrays: neighbours, similarity, co-expression, prior networks, chromosome position; to and from PyG."""

from scgnn_tools.graph.canonical import canonical
from scgnn_tools.graph.coexpression import coexpression
from scgnn_tools.graph.cosine import cosine_topk
from scgnn_tools.graph.knn import knn
from scgnn_tools.graph.mapped import MappedGraph, open_graph, write_graph
from scgnn_tools.graph.position import position
from scgnn_tools.graph.prior import prior
from scgnn_tools.graph.pyg import from_pyg, to_pyg
from scgnn_tools.graph.sampling import neighbor_batches

__all__ = [
    "MappedGraph",
    "canonical",
    "coexpression",
    "cosine_topk",
    "from_pyg",
    "knn",
    "neighbor_batches",
    "open_graph",
    "position",
    "prior",
    "to_pyg",
    "write_graph",
]
