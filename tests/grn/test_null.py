import numpy as np
import pytest
import scipy.sparse as sp
from tests.grn import planted

from scgnn_tools.grn import null, reliability
from scgnn_tools.grn.evidence import correlations
from scgnn_tools.grn.smoothing import neighbour_means


@pytest.mark.parametrize("n_bins", [1, 20])
def test_each_gene_keeps_its_values(n_bins):
    x, _, _ = planted.cells(200)
    found = null.permuted(x, n_bins=n_bins, rng=1)
    assert found.shape == x.shape
    np.testing.assert_allclose(np.sort(found.toarray(), axis=0), np.sort(x.toarray(), axis=0))
    assert (found != x).nnz > 0.5 * x.nnz


def test_deep_cells_stay_deep():
    x, _, _ = planted.cells(400)
    depth = [np.diff(null.permuted(x, n_bins=n).indptr) for n in (1, 20)]
    own = np.diff(x.indptr)
    assert np.corrcoef(own, depth[1])[0, 1] > 0.8 > 0.3 > abs(np.corrcoef(own, depth[0])[0, 1])


def test_it_permutes_evenly_within_bins():
    x = sp.csr_array(np.tile(np.arange(1.0, 11.0)[:, None], (1, 5000)))
    where = null.permuted(x, rng=0).toarray().argmax(axis=0)
    assert np.abs(np.bincount(where, minlength=10) / 5000 - 0.1).max() < 0.02


def test_permuted_cells_have_a_spread_of_one_and_the_planted_network_stands_out():
    x, tfs, edges = planted.cells()
    genes = np.arange(x.shape[1])

    def z(cells, rng):
        none = null.permuted(cells, rng=rng)
        r, r0 = (correlations(m, tfs, genes, means=neighbour_means(m)) for m in (cells, none))
        return null.calibrated(r, r0)

    nothing, found = z(null.permuted(x, rng=5), 6), z(x, 7)
    off = np.ones_like(edges)
    off[:, tfs] = False
    assert 0.85 < nothing[off].std() < 1.2
    assert found[edges].mean() > 3
    assert abs(reliability.spearman(found[off], nothing[off])) < 0.05
