"""Plain PyTorch: layers on tensors that know no AnnData."""

from scgnn_tools.nn.attention import attention, attention_weights
from scgnn_tools.nn.graph_conv import GraphConv
from scgnn_tools.nn.mlp import MLP
from scgnn_tools.nn.performer import Performer
from scgnn_tools.nn.segments import Segments
from scgnn_tools.nn.sparse import Propagation, csr_tensor, symmetric_normalized
from scgnn_tools.nn.transformer import Encoder

__all__ = [
    "MLP",
    "Encoder",
    "GraphConv",
    "Performer",
    "Propagation",
    "Segments",
    "attention",
    "attention_weights",
    "csr_tensor",
    "symmetric_normalized",
]
