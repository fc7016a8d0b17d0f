import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools.data import open_expression
from scgnn_tools.data.quality import poor_cells

NAMES = np.array(["MT-CO1", "mt-Nd1", "MTOR", *(f"G{i}" for i in range(17))], dtype=object)


@pytest.fixture(params=["counts", "log"])
def expression(request):
    x = np.full((6, 20), 3.0, dtype=np.float32)
    x[1, 5:] = 0  # 5 genes
    x[2, 0] = 200  # mostly mitochondria
    x[3, 2] = 200  # MTOR is a gene of the nucleus
    x[4] = 0
    if request.param == "log":
        x = np.log1p(x / np.maximum(x.sum(axis=1, keepdims=True), 1) * 1e4)
    return open_expression(ad.AnnData(sp.csr_matrix(x), var=pd.DataFrame(index=NAMES)))


@pytest.mark.parametrize(
    ("how", "poor"),
    [({}, []), ({"min_genes": 10}, [1, 4]), ({"max_mito": 0.5}, [2]), ({"min_genes": 1, "max_mito": 0.5}, [2, 4])],
)
def test_poor_cells(expression, how, poor):
    assert poor_cells(expression, NAMES, **how).tolist() == poor
