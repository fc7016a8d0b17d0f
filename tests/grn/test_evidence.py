import numpy as np
import scipy.sparse as sp
from tests.grn import planted

from scgnn_tools.grn.evidence import correlations


def test_without_depth_it_is_pearson():
    rng = np.random.default_rng(0)
    x = 1 + rng.random((50, 8))  # every cell expresses every gene: nothing to take out
    found = correlations(sp.csr_array(x), np.array([0, 3]), np.arange(8))
    np.testing.assert_allclose(found, np.corrcoef(x.T)[[0, 3]], atol=1e-5)


def test_depth_alone_is_no_evidence():
    rng = np.random.default_rng(0)
    depth = rng.lognormal(0, 0.8, size=(800, 1))
    counts = rng.poisson(0.7 * depth * np.ones(400))
    x = sp.csr_array(np.log1p(10_000 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)))
    plain, found = np.corrcoef(x.toarray().T), correlations(x, np.arange(400), np.arange(400))
    other = ~np.eye(400, dtype=bool)
    assert plain[other].mean() > 0.02
    assert abs(found[other].mean()) < 0.01


def test_blocks_and_constant_genes(monkeypatch):
    x, tfs, _ = planted.cells(100)
    whole = correlations(x, tfs, np.arange(x.shape[1]))
    monkeypatch.setattr("scgnn_tools.grn.evidence.BLOCK", 7)
    np.testing.assert_allclose(correlations(x, tfs, np.arange(x.shape[1])), whole, atol=1e-6)
    flat = sp.csr_array(np.concatenate([x.toarray(), np.full((100, 1), 2.0)], axis=1))
    assert (correlations(flat, tfs, np.array([x.shape[1]])) == 0).all()


def test_ridge_takes_out_what_other_factors_say():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b, target = a + 0.5 * rng.normal(size=500), a + 0.5 * rng.normal(size=500)
    x = sp.csr_array(np.stack([a, b, target], axis=1) + 20)
    pearson, ridge = (correlations(x, np.array([0, 1]), np.array([2]), ridge=r).ravel() for r in (None, 1e-3))
    assert pearson[1] > 0.6
    assert abs(ridge[1]) < 0.15 < ridge[0]
