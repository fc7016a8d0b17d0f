"""Plain PyTorch: layers on tensors that know no AnnData."""

from scgnn_tools.nn._csr_product import csr_product, csr_transpose
from scgnn_tools.nn.attention import attention, attention_weights
from scgnn_tools.nn.edges import Edges
from scgnn_tools.nn.graph_attention import AttentionHeads, GraphAttention
from scgnn_tools.nn.graph_conv import GraphConv, SAGEConv
from scgnn_tools.nn.mlp import MLP
from scgnn_tools.nn.performer import Performer
from scgnn_tools.nn.segments import Segments
from scgnn_tools.nn.sparse import Propagation, csr_tensor, row_normalized, symmetric_normalized
from scgnn_tools.nn.transformer import Encoder

__all__ = [
    "MLP",
    "AttentionHeads",
    "Edges",
    "Encoder",
    "GraphAttention",
    "GraphConv",
    "Performer",
    "Propagation",
    "SAGEConv",
    "Segments",
    "attention",
    "attention_weights",
    "csr_product",
    "csr_tensor",
    "csr_transpose",
    "row_normalized",
    "symmetric_normalized",
]
