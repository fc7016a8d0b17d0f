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


def seen_through(x, tfs, *, bins, **how):
    genes = np.arange(x.shape[1])
    return smoothing.fitted_correlations(x, tfs, genes, bins=bins, by=smoothing.axes(x, bins=bins, **how))


def test_a_few_components_tell_the_programme_of_a_gene_and_not_its_noise():
    x, tfs, edges = planted.cells(400)
    bins = evidence.depth_bins(x)
    plain = evidence.correlations(x, tfs, np.arange(x.shape[1]), bins=bins)
    fitted = seen_through(x, tfs, bins=bins)
    assert fitted.shape == plain.shape
    assert np.abs(fitted).max() < 1 + 1e-5
    assert fitted[edges].mean() > plain[edges].mean() + 0.2

    # the fits themselves, each component as far as it is trusted, and the noise of a gene in its length
    by = smoothing.axes(x, bins=bins)
    dense = x.toarray().astype(float)
    for b in np.unique(bins):
        np.testing.assert_allclose(by.cells[bins == b].mean(axis=0), 0, atol=1e-4)
        dense[bins == b] -= dense[bins == b].mean(axis=0)
    along = by.cells.T @ dense
    free = len(dense) - len(np.unique(bins)) - len(along)
    noise = ((dense - by.cells @ along) ** 2).sum(axis=0) / free
    length = np.sqrt(by.trust @ along**2 + noise * by.trust.sum())
    np.testing.assert_allclose(
        fitted, ((along * by.trust[:, None]).T @ along / np.outer(length, length))[tfs], atol=1e-3
    )


def test_a_component_is_trusted_as_far_as_it_exceeds_those_of_permuted_cells():
    x, _, _ = planted.cells(600)
    bins = evidence.depth_bins(x)
    real = smoothing.axes(x, bins=bins)
    noise = smoothing.axes(null.permuted(x, bins=bins, rng=1), bins=bins)
    assert real.trust[0] > 0.8
    assert (np.diff(real.trust) <= 1e-6).all()
    assert 0.3 < noise.trust.max() < 0.6  # one half: as much as the most that noise has
    given = smoothing.axes(x, bins=bins, trust=np.array([1.0, 0.5]))
    np.testing.assert_array_equal(given.trust, [1, 0.5])
    assert given.cells.shape == (600, 2)


def test_a_gene_of_few_counts_goes_with_nothing():
    x, tfs, edges = planted.cells(400)
    dense = x.toarray()
    dense[:, -1] = 0
    dense[::80, -1] = 1
    found = np.abs(seen_through(sp.csr_array(dense), tfs, bins=evidence.depth_bins(x)))
    assert found[:, -1].max() < 0.6 * found[edges].mean()


def test_components_of_permuted_cells_share_nothing_with_those_of_the_cells():
    x, tfs, _ = planted.cells(600)
    bins, genes = evidence.depth_bins(x), np.arange(x.shape[1])
    real, noise = (seen_through(m, tfs, bins=bins) for m in (x, null.permuted(x, bins=bins, rng=1)))
    apart = tfs[:, None] != genes[None, :]
    assert abs(np.corrcoef(real[apart], noise[apart])[0, 1]) < 0.03


def test_constant_genes_and_few_cells_have_fits_of_nothing():
    x = sp.csr_array(np.ones((12, 4), dtype=np.float32))
    found = seen_through(x, np.array([0, 1]), bins=np.zeros(12, dtype=np.int64))
    np.testing.assert_array_equal(found, 0)
