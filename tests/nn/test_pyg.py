import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools._errors import InputValueError
from scgnn_tools.nn import Propagation, SAGEConv, row_normalized
from scgnn_tools.nn.pyg import PygConvolution, edge_index, is_convolution


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    return sp.csr_array(sp.random_array((9, 9), density=0.3, format="csr", rng=rng) > 0).astype(np.float32)


def test_messages_go_as_in_our_own_layers(graph):
    """The row of the matrix receives, and the mean over its neighbours is the mean of ours."""
    torch.default_generator.manual_seed(0)
    ours, theirs, h = SAGEConv(4, 3), PygConvolution("SAGEConv", 4, 3), torch.randn(9, 4)
    theirs.conv.lin_l.load_state_dict(ours.neighbours.state_dict())
    theirs.conv.lin_r.load_state_dict(ours.itself.state_dict())
    torch.testing.assert_close(theirs(edge_index(graph), h), ours(Propagation(row_normalized(graph)), h))


@pytest.mark.parametrize("name", ["SAGEConv", "GATConv", "GATv2Conv", "TransformerConv", "GraphConv"])
def test_new_nodes_hear_what_they_would_hear_in_the_graph(graph, name):
    conv, h = PygConvolution(name, 4, 3, bipartite=True).eval(), torch.randn(9, 4)
    whole = conv(edge_index(graph), (h, h))
    some = [5, 2]
    part = conv(edge_index(sp.csr_array(graph[some])), (h, h[some]))
    torch.testing.assert_close(part, whole[some])


def test_what_cannot_stand_in_says_so():
    assert is_convolution("GCNConv")
    assert not any(map(is_convolution, ("gcn", "Linear", "NoConv", None, 3)))
    PygConvolution("GCNConv", 4, 3)
    with pytest.raises(InputValueError, match="senders that are no receivers"):
        PygConvolution("GCNConv", 4, 3, bipartite=True)
    with pytest.raises(InputValueError, match="GINConv of torch-geometric is not made of two widths"):
        PygConvolution("GINConv", 4, 3)
