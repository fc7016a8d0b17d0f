import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools.data import open_expression
from scgnn_tools.data.variable_genes import moments, variable_genes


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


@pytest.mark.filterwarnings("ignore:`n_top_genes` > number")
@pytest.mark.parametrize("n_top", [20, 100, 5000])
def test_the_variable_genes_are_those_of_scanpy(cells, n_top):
    import scanpy as sc

    log = cells.copy()
    sc.pp.normalize_total(log, target_sum=1e4)
    sc.pp.log1p(log)
    sc.pp.highly_variable_genes(log, n_top_genes=n_top, batch_key="batch")
    found = variable_genes(moments(open_expression(cells), cells.obs["batch"].astype(int).to_numpy()), n_top)
    theirs = np.flatnonzero(log.var["highly_variable"].to_numpy())
    assert len(np.intersect1d(found, theirs)) >= len(found) - 1  # float32 there, float64 here
    assert 399 not in found


def test_cells_that_are_left_out_say_nothing(cells):
    some = np.arange(300) % 2 == 0
    alone = moments(open_expression(cells[some].copy()), np.zeros(150, dtype=np.int64))
    among = moments(open_expression(cells), np.where(some, 0, -1))
    np.testing.assert_array_equal(among.n, alone.n)
    np.testing.assert_allclose(among.total, alone.total)
    np.testing.assert_allclose(among.square, alone.square)
