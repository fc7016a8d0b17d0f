"""The next line of the README: scanpy's neighbours on an embedding, at a size from which scanpy hands them to pynndescent."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="as in the README", marks=pytest.mark.slow),  # pynndescent compiles for most of a minute
        pytest.param({"transformer": "sklearn"}, id="exact", marks=pytest.mark.slow),  # and UMAP for a quarter
        pytest.param({"transformer": "sklearn", "method": "gauss"}, id="nothing compiled"),
    ],
)
def test_neighbours_of_9000_cells(how):
    adata = ad.AnnData(np.zeros((9000, 1), dtype=np.float32))
    adata.obsm["X_cgc-mini"] = np.random.default_rng(0).normal(size=(9000, 2)).astype(np.float32)
    sc.pp.neighbors(adata, use_rep="X_cgc-mini", **how)
    connectivities = adata.obsp["connectivities"]
    assert connectivities.shape == (9000, 9000)
    assert np.diff(connectivities.tocsr().indptr).min() >= 10
