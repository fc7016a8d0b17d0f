"""Plain PyTorch: layers on tensors that know no AnnData."""

from scgnn_tools.nn.graph_conv import GraphConv
from scgnn_tools.nn.mlp import MLP
from scgnn_tools.nn.sparse import Propagation, csr_tensor, symmetric_normalized

__all__ = ["MLP", "GraphConv", "Propagation", "csr_tensor", "symmetric_normalized"]
