import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools.data import open_expression
from scgnn_tools.integration.streamed_pca import StreamedPCA, chosen_rows, components


@pytest.fixture(scope="module")
def cells():
    """300 cells in three batches, 400 genes of many levels; some are not in every batch."""
    rng = np.random.default_rng(0)
    level = np.exp(rng.normal(-1, 1.5, size=400))
    batch = rng.integers(3, size=300)
    x = rng.negative_binomial(2, 2 / (2 + level * np.exp(0.8 * rng.normal(size=(300, 1)) * (rng.random(400) < 0.3))))
    x[np.ix_(batch == 1, np.arange(10))] = 0
    x[:, 399] = 0
    return ad.AnnData(
        sp.csr_matrix(x.astype(np.float32)),
        obs=pd.DataFrame({"batch": batch.astype(str)}, index=np.arange(300).astype(str)),
    )


@pytest.mark.parametrize("n_genes", [30, 300])  # few genes: the whole decomposition; many: the largest axes alone
def test_the_components_are_those_of_scikit_learn(cells, n_genes):
    from sklearn.decomposition import PCA

    opened, columns = open_expression(cells), np.arange(n_genes)
    x = opened.log_normalized()[:, columns].toarray().astype(np.float64)
    theirs = PCA(10, svd_solver="full").fit_transform(x)
    space = StreamedPCA(columns.astype(object)).fit(chosen_rows(opened, columns), 10)
    ours = space.project(chosen_rows(opened, columns))
    for own in (ours, components(x.astype(np.float32), 10)):
        np.testing.assert_allclose(np.abs(own), np.abs(theirs), atol=2e-3)
    np.testing.assert_allclose(space.project(iter([sp.csr_array(x[7:8])])), ours[7:8], atol=1e-4)
