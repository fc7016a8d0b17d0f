import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools.data import open_expression


@pytest.fixture(scope="module")
def embedded(_pbmc68k):
    adata = _pbmc68k.copy()
    sgt.tl.embed(adata)
    return adata


def test_it_writes_what_is_documented_and_nothing_else(embedded, tmp_path):
    adata = embedded.copy()
    sgt.tl.gene_programs(adata, groupby="bulk_labels", resolution=5)
    assert changed(embedded, adata) == {"var['sgt_programs']", "obsm['sgt_programs']", "uns['sgt_programs']"}
    found = adata.uns["sgt_programs"]
    n = len(found["separation"])
    assert adata.obsm["sgt_programs"].shape == (700, n)
    assert found["scores"].shape == (adata.obs["bulk_labels"].nunique(), n)
    sizes = adata.var["sgt_programs"].value_counts().reindex(found["separation"].index)
    assert (sizes == found["separation"]["n_genes"]).all()
    assert sizes.is_monotonic_decreasing
    assert sizes.min() >= 5
    adata.write_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(
        ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_programs"]["scores"], found["scores"], check_names=False
    )


def test_the_scores_are_means_of_scaled_expression(embedded):
    adata = embedded.copy()
    sgt.tl.gene_programs(adata, groupby="bulk_labels", resolution=5)
    x = open_expression(adata).log_normalized().toarray()
    own = (adata.var["sgt_programs"] == "P1").to_numpy()
    expected = (x / x.max(axis=0).clip(1e-12))[:, own].mean(axis=1)
    np.testing.assert_allclose(adata.obsm["sgt_programs"]["P1"], expected, rtol=1e-5)
    by_group = pd.Series(expected, index=adata.obs_names).groupby(adata.obs["bulk_labels"].to_numpy()).mean()
    np.testing.assert_allclose(adata.uns["sgt_programs"]["scores"]["P1"], by_group, rtol=1e-5)


def test_programs_of_blood_follow_its_cell_types(embedded):
    adata = embedded.copy()
    sgt.tl.gene_programs(adata, groupby="bulk_labels", resolution=5)
    separation = adata.uns["sgt_programs"]["separation"]
    assert (separation["eta2"] > separation["eta2_random"]).mean() > 0.5
    assert (separation["cohesion"] > 0).all()


def test_the_seed_decides(embedded):
    a, b = (sgt.tl.gene_programs(embedded, resolution=5, rng=3, copy=True).var["sgt_programs"] for _ in range(2))
    assert a.equals(b)


def test_the_order_of_the_genes_decides_nothing(embedded):
    turned = embedded[:, np.random.default_rng(0).permutation(embedded.n_vars)].copy()
    a, b = (sgt.tl.gene_programs(x, resolution=5, groupby="bulk_labels", copy=True) for x in (embedded, turned))
    pd.testing.assert_series_equal(a.var["sgt_programs"], b.var["sgt_programs"].loc[a.var_names])
    pd.testing.assert_frame_equal(*(x.uns["sgt_programs"]["separation"] for x in (a, b)), rtol=1e-4)


def test_what_is_wrong_is_said(embedded, pbmc68k):
    with pytest.raises(MissingKeyError, match=r"No vectors of genes were written into varm; .* sgt\.tl\.embed"):
        sgt.tl.gene_programs(pbmc68k)
    with pytest.raises(MissingKeyError, match="no column of obs"):
        sgt.tl.gene_programs(embedded, groupby="nothing")
    with pytest.raises(MissingKeyError, match="not in var_names"):
        sgt.tl.gene_programs(embedded, genes=["nothing"])
    with pytest.raises(InputValueError, match="lower resolution"):
        sgt.tl.gene_programs(embedded, resolution=1000)
    with pytest.raises(MissingKeyError, match="gene_programs"):
        sgt.pl.gene_programs(pbmc68k)


def test_the_figure(embedded, tmp_path):
    adata = embedded.copy()
    sgt.tl.gene_programs(adata, groupby="bulk_labels", resolution=5)
    figure = sgt.pl.gene_programs(adata, n_programs=6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(tmp_path / "a.png")
    assert len(figure.axes[0].get_yticklabels()) == min(6, len(adata.uns["sgt_programs"]["separation"]))


def test_the_losses_are_drawn(tmp_path):
    history = pd.DataFrame({"step": [10, 20], "loss": [2.0, 1.0], "validation": [2.5, 1.5]})
    sgt.pl.training(history).savefig(tmp_path / "a.png")
    with pytest.raises(InputValueError, match="Train first"):
        sgt.pl.training(pd.DataFrame())


def test_flags_of_genes_are_read_in_one_way(pbmc68k):
    pbmc68k = pbmc68k.copy()
    pbmc68k.varm["v"] = np.random.default_rng(0).normal(size=(pbmc68k.n_vars, 8)).astype(np.float32)
    how = {"use_rep": "v", "resolution": 1, "min_genes": 3}
    flags = pd.array([True, None] * (pbmc68k.n_vars // 2) + [True] * (pbmc68k.n_vars % 2), dtype="boolean")
    pbmc68k.var["highly_variable"] = flags
    sgt.tl.gene_programs(pbmc68k, **how)
    assert pbmc68k.var["sgt_programs"].notna().sum() <= flags.sum()
    pbmc68k.var["highly_variable"] = "False"
    with pytest.raises(InputTypeError, match="'highly_variable' is no boolean column of var"):
        sgt.tl.gene_programs(pbmc68k, **how)


def test_a_column_of_var_names_the_genes(embedded):
    adata = embedded.copy()
    adata.var["id"] = [f"gene {i}" for i in range(adata.n_vars)]
    how = {"resolution": 5, "copy": True}
    by_index = sgt.tl.gene_programs(adata, genes=list(adata.var_names[:300]), **how)
    by_id = sgt.tl.gene_programs(adata, genes=list(adata.var["id"][:300]), gene_key="id", **how)
    pd.testing.assert_series_equal(by_index.var["sgt_programs"], by_id.var["sgt_programs"])
    tables = [x.uns["sgt_programs"]["separation"] for x in (by_index, by_id)]
    pd.testing.assert_frame_equal(*(t.drop(columns="top_genes") for t in tables))
    assert [adata.var.loc[g, "id"] for g in tables[0]["top_genes"]["P1"].split(", ")] == tables[1]["top_genes"][
        "P1"
    ].split(", ")
    assert by_id.uns["sgt_programs"]["params"]["gene_key"] == "id"
    with pytest.raises(MissingKeyError, match="not in the column gene_key= of var"):
        sgt.tl.gene_programs(adata, genes=list(adata.var_names[:300]), gene_key="id")
    with pytest.raises(MissingKeyError, match="gene_key='symbol' is no column of var"):
        sgt.tl.gene_programs(adata, gene_key="symbol")


@pytest.mark.parametrize("values", [np.nan, None, " "])
def test_a_column_without_a_group(embedded, values):
    adata = embedded.copy()
    adata.obs["kind"] = pd.Series(values, index=adata.obs_names, dtype=object)
    with pytest.raises(InputValueError, match=r"obs\['kind'\] names no group"):
        sgt.tl.gene_programs(adata, groupby="kind", resolution=5)
