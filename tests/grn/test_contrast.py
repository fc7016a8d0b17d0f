import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.grn import contrast


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 1, size=(90, 12))
    x[:30, :4] += 2
    return sp.csr_array(x.astype(np.float32)), [np.arange(30), np.arange(30, 60)]


def test_differences_are_in_standard_deviations(cells):
    x, groups = cells
    found = contrast.differences(x, groups)
    a, b = x.toarray()[:30], x.toarray()[30:]
    within = np.sqrt((((a - a.mean(0)) ** 2).sum(0) + ((b - b.mean(0)) ** 2).sum(0)) / 88)
    np.testing.assert_allclose(found[0], (a.mean(0) - b.mean(0)) / within, rtol=1e-3)
    assert found[0, :4].min() > 1.2 > 0.8 > np.abs(found[0, 4:]).max()


def test_the_order_of_many_cells_decides_nothing():
    x = np.random.default_rng(0).exponential(size=(20_000, 6)).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(x))
    place = np.argsort(order)
    found, other = (
        contrast.differences(sp.csr_array(cells), [group])
        for cells, group in ((x, np.arange(300)), (x[order], np.sort(place[:300])))
    )
    np.testing.assert_allclose(found, other, rtol=1e-6)


def test_all_cells_differ_from_nothing(cells):
    x, _ = cells
    assert (contrast.differences(x, [np.arange(90)]) == 0).all()


@pytest.mark.parametrize(
    ("factor", "target", "sign", "wanted"), [(2, 1, 1, 1), (2, -1, 1, -1), (2, -1, -1, 1), (-1, 3, np.nan, -1)]
)
def test_an_edge_needs_both_of_its_genes(factor, target, sign, wanted):
    found = contrast.edge_contrast(np.array([factor]), np.array([target]), np.array([sign]))
    assert found.tolist() == [wanted]


def test_a_regulon_is_the_mean_of_its_genes_each_on_its_own_scale(cells):
    x, groups = cells
    weights = np.zeros((4, 12))
    weights[0, :4] = 1  # its genes are higher in the first group
    weights[1, [5, 6, 7]] = 1  # these are not
    weights[3, :4] = -2  # and these are asked to fall
    apart = contrast.differences(x, groups)
    found = contrast.regulon_differences(apart, sp.csr_array(weights))
    assert found.shape == (2, 4)
    np.testing.assert_allclose(found[:, 0], apart[:, :4].mean(axis=1), rtol=1e-5)
    assert found[0, 0] > 1.5
    assert abs(found[0, 1]) < 0.8
    assert np.isnan(found[:, 2]).all()
    np.testing.assert_allclose(found[:, 3], -found[:, 0], rtol=1e-5)
