"""One way to refuse vectors that are none, wherever a key of them is asked for."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError
from tests.models.test_cell_labels import cells

ASKS = {
    "cell_graph": (lambda a, k: sgt.pp.cell_graph(a, use_rep=k), "obsm", "use_rep"),
    "gene_graph": (lambda a, k: sgt.pp.gene_graph(a, use_rep=k), "varm", "use_rep"),
    "to_pyg": (lambda a, k: sgt.graph.to_pyg(a, obsp="g", use_rep=k), "obsm", "use_rep"),
    "to_pyg of genes": (lambda a, k: sgt.graph.to_pyg(a, obsp="g", expression=True, gene_rep=k), "varm", "gene_rep"),
}


@pytest.mark.parametrize("asked", ASKS)
def test_what_are_no_vectors_is_said(asked):
    call, where, name = ASKS[asked]
    adata = cells()
    adata.obsp["g"] = sp.eye_array(adata.n_obs, format="csr")
    names = adata.obs_names if where == "obsm" else adata.var_names
    getattr(adata, where)["sparse"] = sp.eye_array(len(names), format="csr")
    getattr(adata, where)["text"] = pd.DataFrame({"a": ["x"] * len(names)}, index=names)
    with pytest.raises(InputTypeError, match=rf"^{where}\['sparse'\] is a sparse matrix; .* or leave {name} out"):
        call(adata, "sparse")
    with pytest.raises(
        InputTypeError, match=rf"^{where}\['text'\] holds values that are no numbers .* Pass a {name}= of"
    ):
        call(adata, "text")


def test_vectors_stay_as_exact_as_they_are():
    adata = cells(40)
    adata.obsm["X_far"] = 1e8 + np.random.default_rng(0).normal(size=(40, 3))
    sgt.pp.cell_graph(adata, 5, use_rep="X_far")
    assert 0 < adata.obsp["sgt_cells"].data.max() < 10
