import numpy as np
import pytest
from scipy.spatial.distance import cdist

from scgnn_tools._errors import GraphError, SgtWarning
from scgnn_tools.graph import cosine_topk, knn
from scgnn_tools.graph import knn as knn_function

X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_knn_is_the_nearest(metric):
    a = knn(X, 4, metric=metric)
    d = cdist(X, X, metric)
    np.fill_diagonal(d, np.inf)
    for i in range(60):
        mine = a[[i]].toarray().ravel()
        assert set(np.flatnonzero(mine)) == set(np.argsort(d[i])[:4])
        np.testing.assert_allclose(np.sort(mine[mine > 0]), np.sort(d[i])[:4], atol=1e-3)


def test_duplicates_are_neighbours_at_distance_zero():
    a = knn(np.repeat(X[:3], 2, axis=0), 1)
    assert a.nnz == 6
    assert np.allclose(a.data, 0, atol=1e-3)
    assert all(i // 2 == j // 2 and i != j for i, j in zip(*a.tocoo().coords, strict=True)) or (a.data == 0).all()


def test_more_neighbours_than_cells():
    with pytest.warns(SgtWarning, match="k=99 neighbours asked of 60 rows; taking 59"):
        assert knn(X, 99).nnz == 60 * 59


def test_nothing_to_search():
    with pytest.raises(GraphError, match="hold NaN or infinity"):
        knn(np.where(X > 2, np.nan, X), 3)
    with pytest.raises(GraphError, match="at least two rows"):
        knn(X[:1], 3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # numba and pynndescent speak of their own caches
def test_the_approximate_search_finds_nearly_all(monkeypatch):
    import sys

    x = np.random.default_rng(1).normal(size=(3000, 10)).astype(np.float32)
    exact = knn(x, 10)
    monkeypatch.setattr(sys.modules[knn_function.__module__], "EXACT_UP_TO", 100)
    near = knn(x, 10, rng=0)
    assert near.nnz == exact.nnz
    assert (exact.astype(bool).multiply(near.astype(bool))).sum() / exact.nnz > 0.95
    assert near.diagonal().sum() == 0


def test_cosine_topk():
    a = cosine_topk(X, 3)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -1)
    for i in range(60):
        row = a[[i]].toarray().ravel()
        assert set(np.flatnonzero(row)) == set(np.argsort(-similarity[i])[:3])
        np.testing.assert_allclose(row[row > 0], similarity[i][row > 0], atol=1e-5)


def test_vectors_that_are_zero_or_missing_get_no_edge():
    x = X.copy()
    x[3] = 0
    x[5] = np.nan
    a = cosine_topk(x, 3).toarray()
    for i in (3, 5):
        assert not a[i].any()
        assert not a[:, i].any()


def test_blocks_do_not_show(monkeypatch):
    import sys

    whole = cosine_topk(X, 5)
    monkeypatch.setattr(sys.modules[cosine_topk.__module__], "BLOCK", 7)
    assert abs(whole - cosine_topk(X, 5)).max() < 1e-6
