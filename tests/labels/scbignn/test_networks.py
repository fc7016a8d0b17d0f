import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels.scbignn.cell_graph import Attach, homophily, neighbors
from scgnn_tools.labels.scbignn.cell_network import CellNetwork
from scgnn_tools.labels.scbignn.config import Config
from scgnn_tools.labels.scbignn.gene_network import GeneAttention, GeneNetwork, tokens
from scgnn_tools.labels.scbignn.importance import attention, importance
from scgnn_tools.nn import Propagation, Segments

CPU = torch.device("cpu")


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return sp.csr_array(sp.random_array((7, 30), density=0.4, rng=rng, dtype=np.float32) * 5)


@pytest.mark.parametrize("n_heads", [1, 4])
def test_attention_is_softmax_of_p_pt_times_p_written_out(n_heads):
    layer, rng = GeneAttention(8, 6, n_heads), torch.Generator().manual_seed(0)
    lengths = [5, 1, 9, 9]
    f = torch.randn(sum(lengths), 8, generator=rng)
    w, done, start = layer.project.weight.detach(), [], 0
    for n in lengths:
        mine = f[start : start + n]
        heads = []
        for h in range(n_heads):
            p = mine @ w[6 * h : 6 * (h + 1)].T
            heads.append(torch.softmax(p @ p.T, dim=1) @ p)
        done.append(layer.mlp(torch.cat(heads, dim=1)))
        start += n
    torch.testing.assert_close(layer(f, Segments(np.cumsum([0, *lengths]))), torch.cat(done), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("readout", ["alpha", "mean"])
def test_packed_cells_get_what_each_gets_alone(x, readout):
    q = GeneNetwork(30, 3, n_layers=2, readout=readout, length=12).eval()
    together = q(tokens(x, CPU))
    for i in range(7):
        h, logits = q(tokens(sp.csr_array(x[[i]]), CPU))
        torch.testing.assert_close(h[0], together[0][i], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(logits[0], together[1][i], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("readout", ["alpha", "mean"])
def test_the_order_of_the_genes_says_nothing(x, readout):
    q, order = GeneNetwork(30, 3, readout=readout).eval(), np.random.default_rng(1).permutation(30)
    other = GeneNetwork(30, 3, readout=readout).eval()
    other.load_state_dict(q.state_dict())
    other.gene.weight.data = q.gene.weight.data[order]
    if readout == "alpha":
        other.alpha.weight.data = q.alpha.weight.data[order]
    torch.testing.assert_close(other(tokens(sp.csr_array(x[:, order]), CPU))[1], q(tokens(x, CPU))[1])


def test_the_read_outs_are_the_weighted_sum_and_the_mean(x):
    q = GeneNetwork(30, 3, readout="alpha")
    f = q.genes(tokens(sp.csr_array(x[[0]]), CPU))
    weight = q.alpha.weight[torch.as_tensor(x[[0]].indices.astype(np.int64))]
    torch.testing.assert_close(q.represent(tokens(sp.csr_array(x[[0]]), CPU))[0], (f * weight).sum(dim=0))
    mean = GeneNetwork(30, 3, readout="mean")
    f = mean.genes(tokens(sp.csr_array(x[[0]]), CPU))
    torch.testing.assert_close(mean.represent(tokens(sp.csr_array(x[[0]]), CPU))[0], f.mean(dim=0))


def test_a_cell_without_genes_is_zero():
    q = GeneNetwork(30, 3)
    for n in (1, 2):
        assert not q.represent(tokens(sp.csr_array((n, 30), dtype=np.float32), CPU)).any()


def test_every_weight_gets_a_gradient(x):
    q = GeneNetwork(30, 3, n_layers=2, n_heads=2)
    q(tokens(x, CPU))[1][:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in q.parameters())
    p = CellNetwork(30, 3)
    a = Propagation(neighbors(np.random.default_rng(0).normal(size=(7, 2)), 2))
    p(torch.randn(7, 32), Propagation(x), a)[:, 0].sum().backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in p.parameters())


def test_attention_is_the_mean_over_layers_heads_and_the_cells_that_express_both(x):
    q = GeneNetwork(30, 3, n_layers=2, n_heads=2)
    total, both = np.zeros((30, 30)), np.zeros((30, 30))
    with torch.no_grad():
        for i in range(7):
            one = tokens(sp.csr_array(x[[i]]), CPU)
            at = np.ix_(one.ids.numpy(), one.ids.numpy())
            for f in (q.genes(one, 0), q.layers[0](q.genes(one, 0), one.segments)):
                p = q.layers[0 if f.equal(q.genes(one, 0)) else 1].heads(f).transpose(0, 1)
                total[at] += torch.softmax(p @ p.transpose(1, 2), dim=2).mean(dim=0).numpy() / 2
            both[at] += 1
    expected = np.divide(total, both, out=np.zeros_like(total), where=both > 0)
    mean, n_cells = attention(q, x, CPU)
    np.testing.assert_allclose(mean, expected, atol=1e-6, rtol=1e-4)
    np.testing.assert_array_equal(n_cells, both)
    np.testing.assert_allclose(importance(q, x, CPU), expected.sum(axis=0), rtol=1e-4)


def test_messages_are_means_of_the_neighbours_and_go_one_way():
    v = np.array([[0.0], [1.0], [10.0]])
    a = neighbors(v, 1)
    assert a.toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    wide = neighbors(np.random.default_rng(0).normal(size=(20, 3)), 5)
    np.testing.assert_allclose(wide.sum(axis=1), 1, rtol=1e-6)
    assert (wide.diagonal() == 0).all()
    assert neighbors(v[:2], 5).nnz == 2


def test_the_cell_network_is_the_formula_written_out(x):
    p, a = CellNetwork(30, 3, n_hops=2).eval(), neighbors(np.random.default_rng(0).normal(size=(7, 2)), 3)
    centre, scale = torch.rand(30), torch.rand(30)
    p.standardise(centre, scale)
    h = torch.randn(7, 32)
    dense, features = torch.tensor(a.toarray()), (torch.tensor(x.toarray()) - centre) * scale
    z = [torch.cat([h, p.features(features @ p.weight + p.bias)], dim=1)]
    for w, change in zip(p.w, p.mlps, strict=True):
        z.append(change(dense @ z[-1] @ w.weight.T))
    expected = p.classify(torch.cat(z, dim=1))
    torch.testing.assert_close(p(h, Propagation(x), Propagation(a)), expected, atol=1e-4, rtol=1e-4)


def test_a_new_cell_with_the_neighbours_of_an_old_one_gets_its_states(x):
    p, vectors = CellNetwork(30, 3).eval(), np.random.default_rng(0).normal(size=(7, 32)).astype(np.float32)
    a = neighbors(vectors, 3)
    states = p.states(torch.tensor(vectors), Propagation(x), Propagation(a))
    some = np.array([4, 2])
    new = p.attached(
        torch.tensor(vectors[some]), Propagation(sp.csr_array(x[some])), Propagation(sp.csr_array(a[some])), states
    )
    for mine, theirs in zip(new, states, strict=True):
        torch.testing.assert_close(mine, theirs[some], atol=1e-5, rtol=1e-4)


def test_new_cells_are_attached_to_the_nearest():
    attach = Attach(np.array([[0.0], [1.0], [10.0]]), 2)
    assert attach(np.array([[0.4]])).toarray().tolist() == [[0.5, 0.5, 0]]
    assert attach(np.zeros((0, 1))).shape == (0, 3)


def test_homophily_counts_edges_between_known_cells():
    a = sp.csr_array(np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 0]], dtype=np.float32))
    assert homophily(a, np.array([0, 0, 1, -1])) == 0.5  # 0-1 and 1-0 agree, 1-2 and 2-1 do not
    assert np.isnan(homophily(a, np.full(4, -1)))


def test_a_typo_in_the_configuration_is_told():
    with pytest.raises(InputValueError, match="readout is 'alpha' or 'mean'; got 'max'"):
        Config(readout="max")
    with pytest.raises(InputValueError, match="k is a positive integer; got 0"):
        Config(k=0)
