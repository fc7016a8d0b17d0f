import numpy as np
import torch

from scgnn_tools.labels.scgrapht import Network, ScGraPhT, _mix
from scgnn_tools.nn import Propagation


def test_the_folded_first_layer_is_the_pathway_written_out(problem):
    """A_CG LN(A_GC C W0 + b0) W1 + b1, with A_GC C computed once."""
    (train, y), (validation, y_validation), (test, _) = problem
    method = ScGraPhT(max_epochs=5).fit(train, y, validation, y_validation, rng=0)
    net = method._network
    a_gc = method._edges(train).T.toarray()
    a_gc = a_gc / (a_gc.sum(axis=1, keepdims=True) + 1e-6)
    a_cg = method._edges(test).toarray()
    a_cg = a_cg / (a_cg.sum(axis=1, keepdims=True) + 1e-6)
    c = (train.embedding - method._centre) / method._spread
    with torch.no_grad():
        h = net.norm_genes(net.to_genes(torch.tensor(a_gc @ c, dtype=torch.float32)))
        h = net.norm_cells(torch.tensor(a_cg, dtype=torch.float32) @ h @ net.to_cells.weight + net.to_cells.bias)
        expected = torch.log_softmax(net.head(torch.nn.functional.leaky_relu(h, 0.01)), dim=1)
    np.testing.assert_allclose(method._graph_scores(test), expected.numpy(), atol=1e-4)


def test_lambda_is_chosen_on_validation_and_the_mixture_is_of_probabilities(problem):
    (train, y), (validation, y_validation), _ = problem
    method = ScGraPhT(max_epochs=20).fit(train, y, validation, y_validation, rng=0)
    assert 0 <= method.lam <= 1
    rows = np.arange(len(y_validation))
    graph, vectors = method._graph_scores(validation), method._vectors.scores(validation.embedding)
    loss = {g: -_mix(g, graph, vectors)[rows, y_validation].mean() for g in np.linspace(0, 1, 11)}
    assert loss[method.lam] == min(loss.values())
    np.testing.assert_allclose(
        np.exp(_mix(0.3, graph, vectors)), 0.3 * np.exp(graph) + 0.7 * np.exp(vectors), rtol=1e-5
    )
    assert np.isfinite(_mix(1.0, graph, vectors)).all()


def test_every_weight_gets_a_gradient():
    import scipy.sparse as sp

    net = Network(6, 3)
    a = Propagation(sp.csr_array(np.random.default_rng(0).random((9, 20)).astype(np.float32)))
    net(torch.randn(20, 6), a)[:, 0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
