import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import GraphError
from scgnn_tools.graph import coexpression

RNG = np.random.default_rng(0)
X = np.maximum(RNG.normal(size=(80, 12)) + RNG.normal(size=(80, 1)), 0).astype(np.float32)


def test_it_is_pearson():
    r = np.abs(np.corrcoef(X.T))
    np.fill_diagonal(r, 0)
    got = coexpression(sp.csr_array(X), threshold=0.3).toarray()
    np.testing.assert_allclose(got, np.where(r >= 0.3, r, 0), atol=1e-5)


def test_the_strongest_k():
    a = coexpression(sp.csr_array(X), threshold=0.0, k=3)
    assert (np.diff(a.indptr) == 3).all()


def test_a_constant_gene_gets_no_edge():
    x = X.copy()
    x[:, 4] = 0
    x[:, 5] = 2.5
    a = coexpression(sp.csr_array(x), threshold=0.0).toarray()
    assert np.isfinite(a).all()
    for g in (4, 5):
        assert not a[g].any()
        assert not a[:, g].any()


def test_blocks_do_not_show(monkeypatch):
    import sys

    whole = coexpression(sp.csr_array(X), threshold=0.2, k=4)
    monkeypatch.setattr(sys.modules[coexpression.__module__], "BLOCK", 5)
    assert abs(whole - coexpression(sp.csr_array(X), threshold=0.2, k=4)).max() < 1e-6


def test_too_few_cells():
    with pytest.raises(GraphError, match="at least 3 cells; there are 2"):
        coexpression(sp.csr_array(X[:2]))
