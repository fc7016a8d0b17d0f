import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from scgnn_tools.nn import AttentionHeads, Edges, GraphAttention, Propagation, SAGEConv, row_normalized


def graph(n: int = 30, density: float = 0.1, *, alone: int = 3) -> sp.csr_array:
    a = np.random.default_rng(0).random((n, n)) < density
    a[:alone] = a[:, :alone] = False
    np.fill_diagonal(a, val=False)
    return sp.csr_array(a.astype(np.float32))


def dense(layer: GraphAttention, adjacency: np.ndarray, x: torch.Tensor) -> torch.Tensor:
    """The masked softmax over all pairs, as GENELink writes it down."""
    h = x @ layer.weight
    d = h.shape[1]
    e = F.leaky_relu(h @ layer.a[:d] + (h @ layer.a[d:]).T, layer.slope)
    weights = torch.where(torch.as_tensor(adjacency) > 0, e, torch.full_like(e, -9e15)).softmax(dim=1)
    return F.normalize(F.leaky_relu(weights @ h, layer.slope), p=2, dim=1) + layer.bias


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(30, 7, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("alone", [0, 3, 30])
def test_attention_over_edges_is_the_dense_masked_softmax(x, alone):
    adjacency = graph(alone=alone)
    layer = GraphAttention(7, 5, slope=0.3).eval()
    torch.nn.init.normal_(layer.bias)
    ours, theirs = layer(Edges(adjacency), x), dense(layer, adjacency.toarray(), x)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    for scale in (1.0, 40.0):  # logits as large as they come
        torch.testing.assert_close(layer(Edges(adjacency), scale * x), dense(layer, adjacency.toarray(), scale * x))


def test_its_gradients_are_those_of_the_dense_one(x):
    adjacency = graph()
    layer = GraphAttention(7, 5).eval()
    weight = torch.randn(30, 5, generator=torch.Generator().manual_seed(2))
    found = []
    for out in (layer(Edges(adjacency), x), dense(layer, adjacency.toarray(), x)):
        found.append(torch.autograd.grad((out * weight).sum(), list(layer.parameters())))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_edges_weigh_sum_and_multiply(x):
    a = graph().astype(np.float64)
    edges = Edges(a)
    values = torch.rand(len(edges), dtype=torch.float64, requires_grad=True)
    h = torch.rand(30, 4, dtype=torch.float64, requires_grad=True)
    matrix = torch.zeros(30, 30, dtype=torch.float64).index_put((edges.receiver, edges.sender), values)
    torch.testing.assert_close(edges.sum(values, h), matrix @ h)
    assert torch.autograd.gradcheck(edges.sum, (values, h))
    weights = edges.softmax(values * 100)
    total = torch.zeros(30, dtype=torch.float64).index_add(0, edges.receiver, weights)
    torch.testing.assert_close(total, (~edges.alone).double())
    torch.testing.assert_close(edges.dot(h, 2 * h), (2 * h @ h.T)[edges.receiver, edges.sender])


def test_dropout_drops_edges_in_training_only(x):
    edges, layer = Edges(graph(alone=0)), GraphAttention(7, 5)
    with torch.random.fork_rng():
        a, b = layer(edges, x), layer(edges, x)
    assert not torch.equal(a, b)
    assert torch.equal(layer.eval()(edges, x), layer(edges, x))


def test_heads_are_joined_or_averaged(x):
    edges = Edges(graph())
    for reduction, width in (("concat", 15), ("mean", 5)):
        heads = AttentionHeads(7, 5, 3, reduction=reduction).eval()
        each = [head(edges, x) for head in heads.heads]
        wanted = torch.cat(each, dim=1) if reduction == "concat" else sum(each) / 3
        torch.testing.assert_close(heads(edges, x), wanted)
        assert heads.out_features == width == heads(edges, x).shape[1]


@pytest.mark.parametrize("out", [3, 11])
def test_sage_takes_the_mean_of_the_neighbours(x, out):
    from torch_geometric.nn import SAGEConv as Reference

    adjacency = graph()
    layer, reference = SAGEConv(7, out), Reference(7, out)
    reference.load_state_dict(
        {
            "lin_l.weight": layer.neighbours.weight,
            "lin_l.bias": layer.neighbours.bias,
            "lin_r.weight": layer.itself.weight,
        }
    )
    receiver, sender = adjacency.nonzero()
    ours = layer(Propagation(row_normalized(adjacency)), x)
    torch.testing.assert_close(ours, reference(x, torch.as_tensor(np.stack([sender, receiver]))), atol=1e-6, rtol=1e-5)
