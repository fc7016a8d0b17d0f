import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.grn import smoothing


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 40)
    return sp.csr_array(
        rng.poisson(1 + 4 * kind[:, None] * (np.arange(30) < 15), size=(80, 30)).astype(np.float32)
    ), kind


def test_a_mean_is_of_a_cell_and_its_neighbours(cells):
    x, kind = cells
    means = smoothing.neighbour_means(x, k=10)
    assert means.shape == (80, 80)
    np.testing.assert_allclose(means.sum(axis=1), 1, rtol=1e-5)
    assert (means.diagonal() > 0).all()
    same = (means.toarray() > 0)[:, :] * (kind[:, None] == kind[None, :])
    assert same.sum() > 0.95 * means.nnz  # neighbours are of a kind


def test_of_few_cells_few_are_neighbours_and_of_many_some_are_drawn(cells):
    x, _ = cells
    assert np.diff(smoothing.neighbour_means(x[:8], k=30).indptr).max() == 3
    assert smoothing.neighbour_means(x, k=5, most=20).shape == (20, 80)
    assert smoothing.neighbour_means(x, k=5, most=None).shape == (80, 80)


def test_the_order_of_cells_is_their_own(cells):
    x, _ = cells
    shuffled = x[np.random.default_rng(1).permutation(80)]
    a, b = (m[smoothing.canonical_order(m)].toarray() for m in (x, shuffled))
    np.testing.assert_array_equal(a, b)


def test_constant_cells_have_no_components():
    assert np.allclose(smoothing.components(sp.csr_array(np.ones((12, 4), dtype=np.float32))), 0)
