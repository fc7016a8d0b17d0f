"""A cell among the cells of its query that are most like it."""

import json

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.annotation import company
from scgnn_tools.annotation.company import NEIGHBOURS, WEIGHT, Company, company_of, unit

RNG, GENES = np.random.default_rng(0), np.arange(0, 50, 2)


def a_query(n=200):
    """Cells of two groups, the second of which is strange, and which genes they express."""
    vectors = RNG.normal(size=(n, 8)).astype(np.float32) * 0.1
    vectors[: n // 2, 0] += 1
    vectors[n // 2 :, 1] += 1
    signs = np.zeros((n, 4), dtype=np.float32)
    signs[n // 2 :] = 2
    return sp.csr_array(sp.random(n, 50, 0.3, random_state=0, format="csr")), vectors, signs


def test_one_strange_cell_is_calmed_by_those_like_it_and_a_group_stays_strange():
    x, vectors, signs = a_query()
    signs[3] = 2
    got = company_of(x, vectors, signs, GENES).among(unit(vectors), signs)
    assert got[3].sum() < 0.4 * signs[3].sum()
    np.testing.assert_allclose(got[3], (1 - WEIGHT) * 2, atol=1e-6)  # none of its neighbours is itself
    np.testing.assert_allclose(got[100:], 2, atol=1e-6)
    assert (got[:100].sum(axis=1) <= 4 * WEIGHT * 2 / NEIGHBOURS + 4 * (1 - WEIGHT) * 2).all()


def test_neither_order_nor_blocks_change_who_is_there(monkeypatch):
    monkeypatch.setattr(company, "MOST", 60)
    x, vectors, signs = a_query()
    order = RNG.permutation(200)
    whole = company_of(x, vectors, signs, GENES)
    one = whole.beside(Company(*(v[:0] for v in vars(whole).values())))
    parts = [company_of(sp.csr_array(x[i]), vectors[i], signs[i], GENES) for i in np.array_split(order, 7)]
    other = parts[0]
    for part in parts[1:]:
        other = other.beside(part)
    assert len(one) == len(other) == 60
    assert set(one.keys) == set(other.keys)
    np.testing.assert_allclose(one.among(unit(vectors), signs), other.among(unit(vectors), signs), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_few_cells_are_all_the_company_there_is(n):
    x, vectors, signs = a_query()
    some = company_of(sp.csr_array(x[:n]), vectors[:n], signs[:n], GENES)
    got = some.among(unit(vectors[:n]), signs[:n])
    assert got.shape == (n, 4)
    np.testing.assert_allclose(got, 0)


def test_profiles_are_means_over_a_cell_and_those_most_like_it():
    x, vectors, signs = a_query()
    some = company_of(x, vectors, signs, GENES)
    got = np.column_stack([some.of_profiles(lambda means, g=g: means[:, g]) for g in range(len(GENES))])
    like = unit(vectors).astype(np.float32) @ unit(vectors).astype(np.float32).T
    near = np.argsort(-like, axis=1)[:, : NEIGHBOURS + 1]
    np.testing.assert_allclose(got, x.toarray()[:, GENES][near].mean(axis=1), atol=2e-3)
    among = some.among(unit(vectors), signs, lambda means: means[:, 3])
    np.testing.assert_allclose(among[:, 4], got[:, 3], atol=1e-6)
    np.testing.assert_array_equal(among[:, :4], some.among(unit(vectors), signs))


def test_it_is_the_same_after_json():
    some = company_of(*a_query(), GENES)
    again = Company.from_json(json.loads(json.dumps(some.to_json())))
    for name, array in vars(some).items():
        np.testing.assert_array_equal(getattr(again, name), array)
        assert getattr(again, name).dtype == array.dtype
