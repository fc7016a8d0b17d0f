import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, LabelError, MissingKeyError


@pytest.fixture
def planted():
    """100 genes whose vectors hold a class that their expression does not."""
    rng = np.random.default_rng(0)
    genes = sgt.genes.prior()["target"].drop_duplicates().to_numpy()[:100]
    adata = ad.AnnData(
        sp.csr_matrix(rng.poisson(1.0, size=(60, 100)).astype(np.float32)), var=pd.DataFrame(index=genes)
    )
    adata.varm["x"] = (rng.normal(size=(100, 6)) + 3 * (np.arange(100) < 50)[:, None] * np.eye(6)[0]).astype(np.float32)
    return adata


def classes(adata):
    return {"a": list(adata.var_names[:50]), "b": list(adata.var_names[50:])}


def test_a_planted_class_is_found_in_the_vectors_and_not_in_the_baselines(planted):
    before = planted.copy()
    table = sgt.tl.classify_genes(planted, classes(planted), use_rep="x", n_trees=50)
    assert changed(before, planted) == set()
    assert table.loc["x", "auc"] > 0.9
    assert table["auc"].drop("x").max() < 0.75
    assert list(table.index) == ["x", "random", "coexpression (SVD)", "mean expression"]
    assert (table["n_genes"] == 100).all()
    row = table.loc["random"]
    assert row["difference"] == pytest.approx(table.loc["x", "auc"] - row["auc"])


def test_ensembl_ids_a_series_and_genes_in_two_classes(planted):
    symbols = sgt.genes.tables.symbol_of_id()
    ids = pd.Series(symbols.index, index=symbols.to_numpy()).groupby(level=0).first()
    given = classes(planted)
    by_id = {k: [ids.get(g, g) for g in v] for k, v in given.items()}
    first = sgt.tl.classify_genes(planted, given, use_rep="x", n_trees=20, baselines=False)
    again = sgt.tl.classify_genes(planted, by_id, use_rep="x", n_trees=20, baselines=False)
    pd.testing.assert_frame_equal(first, again)
    series = pd.Series({g: k for k, v in given.items() for g in v})
    pd.testing.assert_frame_equal(
        sgt.tl.classify_genes(planted, series, use_rep="x", n_trees=20, baselines=False), first
    )
    given["b"].append(given["a"][0])
    given["b"].append("NOT A GENE")
    less = sgt.tl.classify_genes(planted, given, use_rep="x", n_trees=20, baselines=False)
    assert (less.loc["x", "n_genes"], less.loc["x", "n_lost"]) == (99, 1)


def test_what_is_wrong_is_said(planted):
    with pytest.raises(MissingKeyError, match=r"sgt\.tl\.embed"):
        sgt.tl.classify_genes(planted, classes(planted))
    with pytest.raises(LabelError, match="a: 5"):
        sgt.tl.classify_genes(
            planted, {"a": list(planted.var_names[:5]), "b": list(planted.var_names[50:])}, use_rep="x"
        )
    with pytest.raises(InputValueError, match="mapping"):
        sgt.tl.classify_genes(planted, ["a"], use_rep="x")
