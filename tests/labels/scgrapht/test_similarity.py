import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import cosine_similarity

from scgnn_tools._errors import InputValueError, SgtWarning
from scgnn_tools.labels.scgrapht import similarity
from scgnn_tools.labels.scgrapht.similarity import check, cosine, projection, unit_rows

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
    matrix = cosine(unit, unit, "whole", among=True)
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


def test_neighbours_of_many_cells_are_looked_for_in_a_projection():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 6, 600)
    rate = rng.gamma(0.3, 2.0, (6, 80))
    unit = unit_rows(sp.csr_array(rng.poisson(rate[kind]).astype(np.float32)))
    project = projection(unit)
    exact, found = (whole(cosine(unit, unit, 15, among=True, project=p)) for p in (None, project))
    assert ((found > 0) & (exact > 0)).sum() / (
        exact > 0
    ).sum() > 0.6  # noise within a type has no nearest neighbours to find
    same = kind[:, None] == kind
    assert (found * ~same).sum() <= 1.2 * (exact * ~same).sum() + 1
    at = np.nonzero(found)
    np.testing.assert_allclose(found[at], (unit @ unit.T).toarray()[at], atol=1e-6)  # the weights are exact
    np.testing.assert_allclose(np.diag(found), np.diag(exact), atol=1e-6)
    query = unit_rows(sp.csr_array(rng.poisson(rate[kind[:5]]).astype(np.float32)))
    asked = whole(cosine(query, unit, 15, among=False, project=project))
    assert ((asked > 0).sum(axis=1) == 15).all()
    np.testing.assert_allclose(
        whole(cosine(query[2:3], unit, 15, among=False, project=project))[0], asked[2], atol=1e-6
    )
    assert cosine(query[:0], unit, 15, among=False, project=project)[0].shape == (0, 600)


def test_no_rows():
    assert cosine(unit_rows(X[:0]), unit_rows(X), 3, among=False)[0].shape == (0, 50)


@pytest.mark.parametrize("bad", [0, -1, 0.0, 1.5, True, "top", "15", None])
def test_what_is_no_way_to_make_it_sparse(bad):
    with pytest.raises(InputValueError, match="sparsify is a number of neighbours"):
        check(bad)
    for good in ("whole", 15, np.int64(3), 0.5, "adaptive"):
        check(good)
