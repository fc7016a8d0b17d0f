import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv, SAGEConv

from scgnn_tools._errors import InputValueError
from scgnn_tools.graph import neighbor_batches, open_graph, write_graph


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


@pytest.fixture
def mapped(data, tmp_path):
    """The same graph in files: row i holds what i hears from."""
    source, target = data.edge_index.numpy()
    rows = sp.csr_array((data.edge_weight.numpy(), (target, source)), shape=(60, 60))
    write_graph(tmp_path / "graph", (rows[i : i + 17] for i in range(0, 60, 17)), x=data.x.numpy(), y=data.y.numpy())
    return open_graph(tmp_path / "graph")


def test_full_batch_and_four_partitions_from_disk_give_the_same_logits(data, mapped):
    torch.manual_seed(0)
    convs = [GCNConv(5, 4, normalize=False), GCNConv(4, 3, normalize=False)]

    def logits(of):
        return convs[1](convs[0](of.x, of.edge_index, of.edge_weight).relu(), of.edge_index, of.edge_weight)

    assert isinstance(mapped.indices, np.memmap)
    assert isinstance(mapped.x, np.memmap)
    whole, seen = logits(data), []
    for part in neighbor_batches(mapped, 15, n_neighbors=(-1, -1), shuffle=False):
        n = part.batch_size
        seen += part.n_id[:n].tolist()
        torch.testing.assert_close(logits(part)[:n], whole[part.n_id[:n]])
        assert part.y.tolist() == part.n_id.tolist()
    assert seen == list(range(60))
    for part in range(4):  # cut from the rest, a partition is right about the nodes that hear from within it
        nodes = torch.arange(15 * part, 15 * part + 15)
        cut = data.subgraph(nodes)
        outside = torch.ones(60, dtype=torch.bool)
        outside[nodes] = False
        for _ in convs:
            source, target = data.edge_index
            outside[target[outside[source]]] = True
        inside = ~outside[nodes]
        torch.testing.assert_close(logits(cut)[inside], whole[nodes[inside]])


def test_interior_nodes_of_clusters_hear_the_same(tmp_path):
    """Four clusters with a single edge between neighbours: most nodes are interior."""
    rng = np.random.default_rng(0)
    pairs = [(40 * c + i, 40 * c + j) for c in range(4) for i, j in rng.integers(0, 40, size=(120, 2))]
    pairs += [(40 * c, 40 * c + 40) for c in range(3)]
    target, source = np.unique(pairs, axis=0).T
    rows = sp.csr_array((np.ones(len(source), np.float32), (target, source)), shape=(160, 160))
    x = rng.normal(size=(160, 5)).astype(np.float32)
    write_graph(tmp_path / "graph", rows, x=x)
    whole = Data(x=torch.as_tensor(x), edge_index=torch.as_tensor(np.stack([source, target])))
    convs = [SAGEConv(5, 4), SAGEConv(4, 3)]
    wanted, n_inside = convs[1](convs[0](whole.x, whole.edge_index).relu(), whole.edge_index), 0
    for c in range(4):
        nodes = np.arange(40 * c, 40 * c + 40)
        cut = whole.subgraph(torch.as_tensor(nodes))
        said = convs[1](convs[0](cut.x, cut.edge_index).relu(), cut.edge_index)
        reached = next(
            neighbor_batches(open_graph(tmp_path / "graph"), 40, n_neighbors=(-1, -1), nodes=nodes, shuffle=False)
        )
        hears_outside = {n for n in nodes if (rows[[n]] @ (rows + sp.eye_array(160))).indices.max(initial=n) // 40 != c}
        inside = np.array([n for n in nodes if n not in hears_outside])
        n_inside += len(inside)
        torch.testing.assert_close(said[inside - 40 * c], wanted[inside])
        assert reached.batch_size == 40
    assert n_inside > 120


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: (f / "indices.npy").write_bytes((f / "indices.npy").read_bytes()[:-40]), "no graph|do not fit"),
        (lambda f: (f / "indptr.npy").unlink(), "holds no graph"),
        (lambda f: np.save(f / "x.npy", np.zeros((3, 2))), "do not fit each other"),
    ],
)
def test_files_of_a_graph_that_are_damaged(mapped, tmp_path, change, says):
    change(tmp_path / "graph")
    with pytest.raises(InputValueError, match=says):
        open_graph(tmp_path / "graph")


def test_what_is_no_graph_is_not_written(tmp_path):
    for graph, options, says in (
        (sp.csr_array((3, 4)), {}, "3 rows and 4 columns"),
        (sp.csr_array((3, 3)), {"x": np.zeros((2, 1))}, "2 rows for 3 nodes"),
    ):
        with pytest.raises(InputValueError, match=says):
            write_graph(tmp_path / "graph", graph, **options)
    assert not (tmp_path / "graph").exists()


def test_draws_follow_the_seed(data):
    drawn = [[p.e_id.tolist() for p in neighbor_batches(data, 20, n_neighbors=[2], rng=r)] for r in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"n_neighbors": ()}, {"n_neighbors": (0,)}, {"nodes": [60]}])
def test_sizes_and_nodes_are_checked(data, options):
    with pytest.raises(InputValueError, match="got"):
        next(neighbor_batches(data, **options))
