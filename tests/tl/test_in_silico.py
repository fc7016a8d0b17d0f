import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import GeneMatchError, InputTypeError, InputValueError, MissingKeyError, SgtWarning


@pytest.fixture(scope="module")
def blood():
    cells = assets.immune_reference()[::30].copy()
    expressed = np.asarray((cells.X > 0).sum(axis=0)).ravel()
    return cells[:, np.sort(np.argsort(-expressed, kind="stable")[:300])].copy()


def test_all_genes_of_the_bundled_model_in_closed_form(blood, tmp_path):
    adata = blood.copy()
    assert sgt.tl.in_silico(adata) is None
    assert changed(blood, adata) == {"uns['sgt_in_silico']"}
    found = adata.uns["sgt_in_silico"]
    table = found["genes"]
    assert set(table.columns) == {
        "cosine", "shift", "sd", "n_cells", "p", "fdr", "like_genes", "pca", "residual", "mean_rank",
    }  # fmt: skip
    np.testing.assert_allclose(table["shift"], 1 - table["cosine"], atol=1e-9)
    # the first gene, by hand
    gene = table.index[0]
    own = np.asarray(adata[:, gene].X.todense()).ravel() > 0
    without = adata.copy()
    log = sgt.data.open_expression(adata).log_normalized().toarray()
    log[:, adata.var_names.get_loc(gene)] = 0
    model = sgt.fm.load("corpus-svd")
    mine = sgt.tl.in_silico(adata, gene, model=model, copy=True).uns["sgt_in_silico"]["genes"]
    x = log @ model.match_names(adata.var_names.to_numpy()).projection().toarray()
    after, before = x @ model.linear_parts(model.tokenize(adata))[0][1], model.embed_cells(without)
    cosine = (after * before).sum(1) / np.linalg.norm(after, axis=1) / np.linalg.norm(before, axis=1)
    assert mine.loc[gene, "cosine"] == pytest.approx(cosine[own].mean(), abs=1e-5)
    assert mine.loc[gene, "n_cells"] == own.sum()
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_in_silico"]
    pd.testing.assert_frame_equal(again["genes"], table, check_dtype=False)


def test_towards_a_state_markers_of_it_come_first(blood):
    types = blood.obs["cell_type"].value_counts().index
    how = {
        "groupby": "cell_type",
        "start": types[0],
        "goal": types[1],
        "alternatives": types[2:3],
        "kind": "overexpress",
        "copy": True,
    }
    out = sgt.tl.in_silico(blood, **how).uns["sgt_in_silico"]
    table = out["genes"]
    assert {"shift_goal", f"shift_{types[2]}", f"shift_{types[0]}"} <= set(table.columns)
    assert "shift" not in table
    assert (np.diff(table["shift_goal"]) <= 1e-12).all()
    own, other = (blood[blood.obs["cell_type"] == t].X.mean(axis=0) for t in (types[1], types[0]))
    more = pd.Series(np.asarray(own - other).ravel(), index=blood.var_names)
    known = [g for g in table.index if g in more.index]
    assert more[known[:30]].mean() > more[known[-30:]].mean()


@pytest.mark.parametrize("kind", [list, tuple, set, np.array, pd.Index, pd.Series])
def test_genes_may_be_any_collection(blood, kind):
    names = list(blood.var_names[:2])
    table = sgt.tl.in_silico(blood, kind(names), n_like=0, max_cells=20, copy=True).uns["sgt_in_silico"]["genes"]
    assert set(table.index) == set(names)


def test_the_line_names_the_goal_and_rounds_no_shift_to_nothing(blood, caplog):
    start, goal = map(str, blood.obs["cell_type"].value_counts().index[:2])
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.in_silico(blood, list(blood.var_names[:3]), groupby="cell_type", start=start, goal=goal, copy=True)
    assert f"moved furthest towards {goal} by" in caplog.text
    assert "(0.0000)" not in caplog.text


def test_genes_together_and_the_seed(blood):
    a, b = (
        sgt.tl.in_silico(blood, list(blood.var_names[:5]), together=True, max_cells=40, copy=True) for _ in range(2)
    )
    table = a.uns["sgt_in_silico"]["genes"]
    assert list(table.index) == ["together"]
    pd.testing.assert_frame_equal(table, b.uns["sgt_in_silico"]["genes"])


def test_the_order_of_the_cells_decides_nothing_where_some_are_drawn_and_a_goal_may_be_called_goal(blood):
    some = blood[:, :40].copy()
    some.obs["state"] = np.where(some.obs["cell_type"] == "B cell", "goal", "other")
    turned = some[np.random.default_rng(0).permutation(some.n_obs)].copy()
    how = {"groupby": "state", "goal": "goal", "max_cells": 20, "copy": True}
    a, b = (sgt.tl.in_silico(x, **how).uns["sgt_in_silico"]["genes"] for x in (some, turned))
    pd.testing.assert_frame_equal(a, b)
    assert a.columns.is_unique
    other = sgt.tl.in_silico(some, **how, rng=1).uns["sgt_in_silico"]["genes"]
    assert not np.allclose(other["shift_goal"].loc[a.index], a["shift_goal"], equal_nan=True)


def test_a_network_and_its_genes(blood):
    from scgnn_tools.fm.geneformer.model import Geneformer

    genes, few = blood.var_names[:60].to_numpy(), blood[:, :60].copy()
    model = Geneformer.untrained(
        genes, np.ones(60), device="cpu", dim=16, heads=2, hidden=32, n_layers=2, max_length=40
    )
    out = sgt.tl.in_silico(few, list(genes[:3]), model=model, level="gene", max_cells=6, copy=True).uns["sgt_in_silico"]
    assert set(out["genes"].index) == set(genes[:3])
    assert set(out["affected"].columns) == {"perturbed", "gene", "cosine", "n_cells"}
    assert (out["affected"]["perturbed"] != out["affected"]["gene"]).all()
    states = sgt.tl.in_silico(few, list(genes[:2]), model=model, kind="overexpress", max_cells=5, copy=True,
                              groupby="cell_type", goal=str(blood.obs["cell_type"].iloc[0]))  # fmt: skip
    assert (states.uns["sgt_in_silico"]["genes"]["n_cells"] > 0).all()


BAD = [
    (
        {"genes": ["CD3E", "ZZZ9"]},
        GeneMatchError,
        "1 of 2 genes are not in the vocabulary of cgc-mini: ZZZ9. Leave them out",
    ),
    ({"genes": []}, InputValueError, "genes is 'all' or a list of genes; it is empty"),
    ({"kind": "knockout"}, InputValueError, "kind is 'delete' or 'overexpress'"),
    ({"level": "gene"}, InputValueError, "cgc-mini has no states of genes in a cell"),
    ({"goal": "B"}, InputValueError, "pass its name as groupby="),
    ({"groupby": "cell_type", "goal": "b"}, InputValueError, r"'b' is no value of obs\['cell_type'\]"),
    ({"groupby": "type"}, MissingKeyError, "groupby='type' is no column"),
    ({"groupby": "cell_type", "alternatives": "B"}, InputValueError, "alternatives is a list of states"),
    (
        {"groupby": "cell_type", "goal": "B cell", "alternatives": ["B cell"]},
        InputValueError,
        "'B cell' is the goal and among alternatives=",
    ),
    (
        {"groupby": "odd", "goal": "B cell", "alternatives": ["goal"]},
        InputValueError,
        "would share the column shift_goal",
    ),
    (
        {"groupby": "one", "start": "only", "genes": ["CD3E"]},
        InputValueError,
        "1 cells to perturb; two cells are wanted",
    ),
    ({"groupby": "cell_type"}, InputValueError, "none is asked for. Pass goal=, start= or both"),
    ({"genes": ["cd3d", "LYZ"], "model": "corpus-svd"}, GeneMatchError, "Did you mean 'CD3D'?"),
    ({"genes": [" "]}, InputValueError, "it is empty, or a name is"),
    ({"max_cells": 1}, InputValueError, "max_cells is an integer of at least 2"),
]


@pytest.mark.parametrize(("how", "error", "says"), BAD)
def test_bad_input_is_refused_in_words_and_nothing_is_written(blood, how, error, says):
    blood = blood.copy()
    blood.obs["odd"] = blood.obs["cell_type"].astype(str).where(blood.obs["cell_type"] == "B cell", "goal")
    blood.obs["one"] = np.where(np.arange(blood.n_obs) == 3, "only", "others")
    adata = blood.copy()
    with pytest.raises(error, match=says):
        sgt.tl.in_silico(adata, **how)
    assert changed(blood, adata) == set()


def test_a_reversed_view_gives_the_same_and_no_counts_are_said(blood):
    some = blood[:60].copy()
    names = list(three_genes(some))
    whole = sgt.tl.in_silico(some, names, copy=True).uns["sgt_in_silico"]["genes"]
    turned = sgt.tl.in_silico(some[::-1, ::-1], names, copy=True).uns["sgt_in_silico"]["genes"]
    np.testing.assert_allclose(turned.loc[whole.index, "shift"], whole["shift"], atol=1e-5)
    some.X = some.X * 0
    with pytest.raises(InputValueError, match="holds no counts in the 60 cells"):
        sgt.tl.in_silico(some, names)
    with pytest.raises(InputTypeError, match="model is the name of a model, a loaded model or None; got int"):
        sgt.tl.in_silico(blood, names, model=3)


def three_genes(adata):
    """Three genes of the object that the bundled model knows."""
    known = set(sgt.fm.load(sgt.fm.best_bundled()).vocabulary)
    return [g for g in adata.var_names if g in known][:3]


def test_one_gene_has_nothing_to_be_compared_with_and_a_silent_one_is_named(blood, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.in_silico(blood, "CD74", n_like=0, copy=True)
    assert "too few genes for like_genes, p and residual" in caplog.text
    assert "nan" not in caplog.text
    with pytest.warns(SgtWarning, match="FOXP3: expressed in none of the"):
        sgt.tl.in_silico(blood, ["CD74", "FOXP3"], copy=True)


def test_a_named_gene_stands_beside_genes_like_it_that_get_no_row(blood):
    genes = list(blood.var_names[:2])
    found = sgt.tl.in_silico(blood, genes, copy=True).uns["sgt_in_silico"]
    assert set(found["genes"].index) == set(genes)
    assert 20 <= found["params"]["n_like_genes"] <= 40
    assert np.isfinite(found["genes"][["p", "fdr", "like_genes", "residual"]].to_numpy()).all()
    assert (found["genes"]["fdr"] <= 2 * found["genes"]["p"]).all()
    alone = sgt.tl.in_silico(blood, genes[0], n_like=0, copy=True).uns["sgt_in_silico"]
    assert alone["params"]["n_like_genes"] == 0
    assert alone["genes"][["p", "like_genes", "residual"]].isna().all(axis=None)
    assert alone["genes"].loc[genes[0], "shift"] == pytest.approx(found["genes"].loc[genes[0], "shift"], abs=1e-12)
    # genes beside it are its like, so that what they do is the null: as in the call with all genes, whose nearest are the same
    whole = sgt.tl.in_silico(blood, copy=True).uns["sgt_in_silico"]["genes"]
    assert found["genes"]["like_genes"].loc[genes].to_numpy() == pytest.approx(whole["like_genes"].loc[genes], rel=0.5)
    with pytest.raises(InputValueError, match="n_like= finds genes that are like one gene"):
        sgt.tl.in_silico(blood, genes, together=True, n_like=5)


def test_a_state_may_have_any_name_and_cells_without_one_are_left_out(blood, tmp_path):
    adata = blood[:60].copy()
    state = np.array(["a/b", "x", "."], dtype=object)[np.arange(60) % 3]
    state[:6] = np.nan
    adata.obs["state"] = state
    with pytest.warns(SgtWarning, match="names no state of 6 cells"):
        sgt.tl.in_silico(adata, groupby="state", goal="x", alternatives=["a/b", "."])
    found = adata.uns["sgt_in_silico"]
    assert found["params"]["n_cells"] == 36
    assert {"shift_a|b", "shift_."} <= set(found["genes"].columns)
    adata.write_zarr(tmp_path / "a.zarr")


def test_cells_that_are_all_alike_and_views_of_a_file(blood, tmp_path):
    alike = blood[:8].copy()
    alike.X = np.ones(alike.shape, dtype=np.float32)
    found = sgt.tl.in_silico(alike, copy=True).uns["sgt_in_silico"]["genes"]
    assert np.isfinite(found["shift"]).all()
    blood[:40].write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    some = [sgt.tl.in_silico(a[::-2], copy=True).uns["sgt_in_silico"]["genes"] for a in (blood[:40], backed)]
    backed.file.close()
    pd.testing.assert_frame_equal(*some)
