import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools.nn import MLP, GraphConv, Propagation, csr_tensor, symmetric_normalized

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("density", [0.02, 0.6])
def test_propagation_and_its_gradient_are_those_of_the_dense_product(density):
    s = sp.csr_array(sp.random_array((40, 30), density=density, rng=RNG, dtype=np.float32))
    p = Propagation(s)
    assert p.dense == (density > 0.1)
    h = torch.randn(30, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = p @ h
    (out**2).sum().backward()
    grad, h.grad = h.grad.clone(), None
    expected = torch.from_numpy(s.toarray()) @ h
    (expected**2).sum().backward()
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(grad, h.grad)


@pytest.mark.parametrize("widths", [(8, 3), (3, 8)])
def test_graph_conv_is_s_h_w_plus_b_in_either_order(widths):
    s = sp.csr_array(sp.random_array((20, 30), density=0.05, rng=RNG, dtype=np.float32))
    conv = GraphConv(*widths)
    h = torch.randn(30, widths[0])
    expected = torch.from_numpy(s.toarray()) @ h @ conv.weight + conv.bias
    torch.testing.assert_close(conv(Propagation(s), h), expected)
    assert conv.bias.abs().max() <= 2 / widths[1] ** 0.5


def test_symmetric_normalisation_is_kipf_and_welling_s():
    a = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=np.float32)
    loops = a + np.eye(4)
    d = np.diag(loops.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(symmetric_normalized(sp.csr_array(a)).toarray(), d @ loops @ d, rtol=1e-6)


def test_gcn_matches_torch_geometric():
    from torch_geometric.nn import GCNConv

    a = sp.csr_array(sp.random_array((15, 15), density=0.2, rng=RNG, dtype=np.float32))
    a = sp.csr_array(((a + a.T) > 0).astype(np.float32))
    a.setdiag(0)
    a.eliminate_zeros()
    theirs, ours = GCNConv(6, 4), GraphConv(6, 4)
    ours.weight.data, ours.bias.data = theirs.lin.weight.data.T.clone(), theirs.bias.data.clone()
    x = torch.randn(15, 6)
    edge_index = torch.from_numpy(np.stack(a.tocoo().coords)).long()
    torch.testing.assert_close(
        ours(Propagation(symmetric_normalized(a)), x), theirs(x, edge_index), atol=1e-5, rtol=1e-5
    )


def test_mlp_has_no_activation_at_the_end():
    net = MLP(4, 8, 2, activation=torch.nn.LeakyReLU, dropout=0.5)
    assert isinstance(net[-1], torch.nn.Linear)
    net.eval()
    x = torch.randn(3, 4)
    torch.testing.assert_close(net(x), net[3](torch.nn.functional.leaky_relu(net[0](x), 0.01)))


def test_csr_tensor():
    s = sp.csr_array(np.array([[0, 2], [1, 0]], dtype=np.float32))
    assert csr_tensor(s).to_dense().tolist() == [[0, 2], [1, 0]]
