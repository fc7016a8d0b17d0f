"""Sparse graphs from arrays: neighbours, similarity, co-expression, prior networks, chromosome position."""

from scgnn_tools.graph.canonical import canonical
from scgnn_tools.graph.coexpression import coexpression
from scgnn_tools.graph.cosine import cosine_topk
from scgnn_tools.graph.knn import knn
from scgnn_tools.graph.position import position
from scgnn_tools.graph.prior import prior

__all__ = ["canonical", "coexpression", "cosine_topk", "knn", "position", "prior"]
