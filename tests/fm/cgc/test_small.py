import numpy as np
import scipy.sparse as sp

from scgnn_tools.fm.cgc.small import _symbols, small_network, start_from_coexpression, to_columns


def test_genes_without_a_name_of_their_own_get_one():
    got = _symbols(np.array(["STAT1", "STAT1", "", "IRF1"], dtype=object), 4)
    assert list(got) == ["STAT1", "gene 1", "gene 2", "IRF1"]
    assert len(set(_symbols(None, 4))) == 4


def test_genes_of_like_expression_start_with_like_vectors():
    rng = np.random.default_rng(0)
    program = rng.poisson(3, size=(80, 2))
    x = sp.csr_array((np.repeat(program, 5, axis=1) + rng.random((80, 10)) > 3).astype(np.float32))
    model = small_network(x, None, graph=False, dim=4, heads=2, hidden=4, n_layers=1, n_graph_layers=0, device="cpu")
    start_from_coexpression(model, x)
    table = model.network.genes.embedding.weight[3:].detach().numpy()
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    cosine = unit @ unit.T
    assert cosine[:5, :5].min() > np.abs(cosine[:5, 5:]).max()


def test_a_gene_that_does_not_vary_keeps_its_random_row():
    """Of a matrix with empty columns the last singular vectors are any, as rounding has it."""
    rng = np.random.default_rng(0)
    x = rng.gamma(2, 0.5, size=(30, 14)).astype(np.float32)
    x[:, [3, 12]] = [0, 2]
    model = small_network(sp.csr_array(x), None, graph=False, dim=16, heads=2, hidden=16, n_layers=1, device="cpu")
    table = model.network.genes.embedding.weight
    before = table.detach().numpy().copy()
    start_from_coexpression(model, sp.csr_array(x))
    same = (table.detach().numpy() == before).all(axis=1)
    assert np.flatnonzero(same[3:]).tolist() == [3, 12]


def test_columns_are_taken_out():
    x = sp.csr_array(np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal((x @ to_columns(np.array([1, 3]), 4)).toarray(), x.toarray()[:, [1, 3]])
