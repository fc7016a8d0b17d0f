import numpy as np
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.nn import SAGEConv

from scgnn_tools._errors import InputValueError
from scgnn_tools.graph import neighbor_batches


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 60, size=(600, 2)), axis=0)  # about 10 senders a node
    index = torch.as_tensor(pairs.T)
    weight = torch.as_tensor(rng.random(len(pairs)), dtype=torch.float32)
    return Data(
        x=torch.as_tensor(rng.normal(size=(60, 5)), dtype=torch.float32), y=torch.arange(60),
        edge_index=index, edge_weight=weight, classes=["a"],
    )  # fmt: skip


def test_every_node_comes_once_with_edges_of_the_graph(data):
    seen = []
    for part in neighbor_batches(data, 7, n_neighbors=(4, 3)):
        n = part.batch_size
        seen += part.y[:n].tolist()
        assert part.y.tolist() == part.n_id.tolist()
        assert len(part.n_id.unique()) == len(part.n_id)
        torch.testing.assert_close(part.x, data.x[part.n_id])
        torch.testing.assert_close(part.n_id[part.edge_index], data.edge_index[:, part.e_id])
        torch.testing.assert_close(part.edge_weight, data.edge_weight[part.e_id])
        received = torch.bincount(part.edge_index[1], minlength=len(part.n_id))
        degree = torch.bincount(data.edge_index[1], minlength=60)[part.n_id]
        assert received[:n].tolist() == degree[:n].clamp(max=4).tolist()
        assert int(received.max()) <= 4
        assert part.classes == ["a"]
    assert sorted(seen) == list(range(60))


def test_with_all_neighbours_a_network_says_what_it_says_of_the_whole_graph(data):
    convs = [SAGEConv(5, 4), SAGEConv(4, 3)]
    whole = convs[1](convs[0](data.x, data.edge_index).relu(), data.edge_index)
    nodes = np.array([3, 50, 8, 21])
    for part in neighbor_batches(data, 2, n_neighbors=(-1, -1), nodes=nodes, shuffle=False):
        said = convs[1](convs[0](part.x, part.edge_index).relu(), part.edge_index)[: part.batch_size]
        torch.testing.assert_close(said, whole[nodes[part.input_id]])


def test_draws_follow_the_seed(data):
    drawn = [[p.e_id.tolist() for p in neighbor_batches(data, 20, n_neighbors=[2], rng=r)] for r in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"n_neighbors": ()}, {"n_neighbors": (0,)}, {"nodes": [60]}])
def test_sizes_and_nodes_are_checked(data, options):
    with pytest.raises(InputValueError, match="got"):
        next(neighbor_batches(data, **options))
