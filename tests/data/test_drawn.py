import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.data import open_expression
from scgnn_tools.data.drawn import drawn_cells, shares


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    return ad.AnnData(
        sp.random_array(
            (300, 40), density=0.3, rng=rng, data_sampler=lambda size: rng.integers(1, 9, size).astype(np.float32)
        ).tocsr()
    )


def test_few_cells_are_all_taken(cells):
    assert drawn_cells(open_expression(cells), 300) is None
    assert drawn_cells(open_expression(cells), None) is None


def test_the_order_of_the_cells_draws_none(cells):
    order = np.random.default_rng(1).permutation(300)
    first = drawn_cells(open_expression(cells), 60)
    second = drawn_cells(open_expression(cells[order].copy()), 60)
    assert len(first) == 60
    assert (np.diff(first) > 0).all()
    assert set(order[second]) == set(first)


def test_small_groups_stay_whole(cells):
    group = np.repeat([-1, 0, 1], [5, 45, 250])
    got = np.bincount(group[drawn_cells(open_expression(cells), 100, group)] + 1)
    assert got.tolist() == [5, 45, 50]
    assert shares(np.array([10, 10, 1]), 12).tolist() == [5, 6, 1]
    assert shares(np.array([3, 2]), 12).tolist() == [3, 2]


def test_only_drawn_cells_are_normalised_and_as_before(cells, monkeypatch):
    monkeypatch.setattr("scgnn_tools.data.expression.CHUNK", 64)
    opened = open_expression(cells)
    some = drawn_cells(opened, 70)
    assert (opened.log_normalized(some) != opened.log_normalized()[some]).nnz == 0
