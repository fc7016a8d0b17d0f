import numpy as np
import pytest
import scipy.sparse as sp
from tests.grn import planted

from scgnn_tools.grn import evidence, null, smoothing


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


def test_a_few_components_tell_the_programme_of_a_gene_and_not_its_noise():
    x, tfs, edges = planted.cells(400)
    bins = evidence.depth_bins(x)
    genes = np.arange(x.shape[1])
    fitted = smoothing.fitted_correlations(x, tfs, genes, bins=bins, rank=30)
    plain = evidence.correlations(x, tfs, genes, bins=bins)
    assert fitted.shape == plain.shape
    np.testing.assert_allclose(fitted[np.arange(len(tfs)), tfs], 1, atol=1e-5)
    assert np.abs(fitted).max() < 1 + 1e-5
    assert fitted[edges].mean() > plain[edges].mean() + 0.2

    # the correlation of the fits themselves
    scores = smoothing.components(x, n=30, bins=bins).astype(float)
    dense = x.toarray().astype(float)
    for b in np.unique(bins):
        np.testing.assert_allclose(scores[bins == b].mean(axis=0), 0, atol=1e-3)
        dense[bins == b] -= dense[bins == b].mean(axis=0)
    fit = scores @ np.linalg.lstsq(scores, dense, rcond=None)[0]
    np.testing.assert_allclose(fitted, np.corrcoef(fit.T)[tfs], atol=1e-3)


def test_components_of_permuted_cells_share_nothing_with_those_of_the_cells():
    x, tfs, _ = planted.cells(600)
    bins, genes = evidence.depth_bins(x), np.arange(x.shape[1])
    real, noise = (
        smoothing.fitted_correlations(m, tfs, genes, bins=bins) for m in (x, null.permuted(x, bins=bins, rng=1))
    )
    apart = tfs[:, None] != genes[None, :]
    assert abs(np.corrcoef(real[apart], noise[apart])[0, 1]) < 0.03


def test_constant_genes_and_few_cells_have_fits_of_nothing():
    x = sp.csr_array(np.ones((12, 4), dtype=np.float32))
    found = smoothing.fitted_correlations(x, np.array([0, 1]), np.arange(4), bins=np.zeros(12, dtype=np.int64))
    np.testing.assert_array_equal(found, 0)
