import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity

from scgnn_tools._errors import InputValueError, SgtWarning
from scgnn_tools.labels.scgrapht import similarity
from scgnn_tools.labels.scgrapht.similarity import check, cosine, unit_rows

X = sp.csr_array((np.random.default_rng(0).poisson(0.5, (50, 20))).astype(np.float32))
DENSE = cosine_similarity(X)
np.fill_diagonal(DENSE, np.where(np.diff(X.indptr) > 0, 1, 0))


def whole(matrix):
    out = matrix[0]
    for m in matrix[1:]:
        out = out @ m
    return out.toarray()


def test_the_whole_graph_is_a_product_and_never_made():
    unit = unit_rows(X)
    matrix = cosine(unit, unit, None, among=True)
    assert [m.shape for m in matrix] == [(50, 20), (20, 50)]
    np.testing.assert_allclose(whole(matrix), DENSE, atol=1e-6)
    h = np.random.default_rng(1).normal(size=(50, 8))
    np.testing.assert_allclose(matrix[0] @ (matrix[1] @ h), DENSE @ h, atol=1e-4)


@pytest.mark.parametrize("entries", [2**24, 150])
def test_made_sparse(entries, monkeypatch):
    monkeypatch.setattr(similarity, "BLOCK_ENTRIES", entries)  # one block or many
    unit = unit_rows(X)
    nearest = whole(cosine(unit, unit, 3, among=True))
    others = DENSE - np.eye(50) * 2
    for i in np.flatnonzero(np.diff(X.indptr) > 0):
        kept = np.flatnonzero(nearest[i] * (np.arange(50) != i))
        np.testing.assert_allclose(np.sort(nearest[i, kept])[::-1], np.sort(others[i])[::-1][: len(kept)], atol=1e-6)
        assert len(kept) == min(3, (others[i] > 0).sum())
        assert nearest[i, i] == pytest.approx(1)
    above = whole(cosine(unit, unit, 0.5, among=True))
    np.testing.assert_allclose(above, np.where(DENSE >= 0.5, DENSE, 0), atol=1e-6)
    adaptive = whole(cosine(unit, unit, "adaptive", among=True))
    cut = DENSE.mean(axis=1, keepdims=True) + DENSE.std(axis=1, keepdims=True)
    np.testing.assert_allclose(adaptive, np.where((cut < DENSE) | np.eye(50, dtype=bool), DENSE, 0), atol=1e-5)
    assert (np.diag(adaptive) > 0).sum() == (np.diff(X.indptr) > 0).sum()


def test_more_neighbours_than_cells():
    unit = unit_rows(X)
    with pytest.warns(SgtWarning, match="sparsify=50 neighbours asked of 50 nodes; taking 49"):
        np.testing.assert_allclose(whole(cosine(unit, unit, 50, among=True)), DENSE, atol=1e-6)


def test_no_rows():
    assert cosine(unit_rows(X[:0]), unit_rows(X), 3, among=False)[0].shape == (0, 50)


@pytest.mark.parametrize("bad", [0, -1, 0.0, 1.5, True, "top", "15"])
def test_what_is_no_way_to_make_it_sparse(bad):
    with pytest.raises(InputValueError, match="sparsify is None, a number of neighbours"):
        check(bad)
    for good in (None, 15, np.int64(3), 0.5, "adaptive"):
        check(good)
