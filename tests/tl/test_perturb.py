import re
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from benchmarks import checkpoints
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, MissingKeyError, SgtWarning

GENES = ["STAT1", "IRF1", "HBB", *[f"GENE{i}" for i in range(57)]]
RECEPTORS, KINASES = ["IFNGR1", "IFNGR2", "JAK1", "JAK2"], ["CDK2", "CDK4", "CCND1", "CCNE1"]


@pytest.fixture(scope="module")
def small_screen():
    """900 cells in two batches; interferon genes do one thing, genes of the cell cycle another."""
    rng = np.random.default_rng(0)
    named = np.array(["non-targeting", *RECEPTORS, *KINASES])[np.r_[np.zeros(300, int), np.repeat(np.arange(1, 9), 75)]]
    batch = np.arange(900) % 2
    effect = np.zeros((900, 60))
    effect[np.isin(named, RECEPTORS), :15] = 1.5
    effect[np.isin(named, KINASES), 15:30] = -1.5
    rate = np.exp(rng.normal(size=60) + effect + 0.3 * batch[:, None] * rng.normal(size=60))
    obs = pd.DataFrame({"gene": named, "batch": np.array(["x", "y"])[batch]}, index=[f"c{i}" for i in range(900)])
    return ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)), obs, pd.DataFrame(index=GENES))


def test_it_writes_what_is_documented_and_nothing_else(small_screen, tmp_path):
    adata = small_screen.copy()
    assert sgt.tl.perturb(adata, "gene", batch_key="batch", query=["STAT1", "IFNGR1+CDK6"], n_halves=2) is None
    assert changed(small_screen, adata) == {"uns['sgt_perturb']", "varm['sgt_perturb_change']"}
    found = adata.uns["sgt_perturb"]
    assert set(found) == {
        "predictions", "evaluation", "per_condition", "paired", "signal", "top", "split", "verdict", "params",
    }  # fmt: skip
    assert list(found["evaluation"].index) == ["kernel", "no_change", "mean", "shrunken_mean", "linear", "ceiling"]
    assert list(found["predictions"].index) == ["STAT1", "CDK6+IFNGR1"]
    assert list(found["predictions"].columns) == GENES
    assert adata.varm["sgt_perturb_change"].shape == (60, 2)
    assert found["params"]["split"] == "leave_one_out"
    assert found["signal"]["has_signal"].all()
    for kind in ("h5ad", "zarr"):
        getattr(adata, f"write_{kind}")(tmp_path / f"a.{kind}")
        again = getattr(ad, f"read_{kind}")(tmp_path / f"a.{kind}").uns["sgt_perturb"]
        pd.testing.assert_frame_equal(again["evaluation"], found["evaluation"], check_dtype=False)
        assert set(again) == set(found)


def test_neither_order_nor_names_of_batches_decide_and_an_old_query_goes(small_screen):
    how = {"batch_key": "batch", "n_halves": 1, "copy": True}
    rows = np.random.default_rng(1).permutation(small_screen.n_obs)
    other = small_screen[rows].copy()
    other.obs["batch"] = other.obs["batch"].map({"x": "b", "y": "a"})
    one, moved = (sgt.tl.perturb(a, "gene", query="STAT1", **how) for a in (small_screen, other))
    for table in ("evaluation", "predictions"):
        pd.testing.assert_frame_equal(
            *(a.uns["sgt_perturb"][table].drop(columns="seconds", errors="ignore") for a in (one, moved)), rtol=1e-4
        )
    assert "sgt_perturb_change" in one.varm
    assert "sgt_perturb_change" not in sgt.tl.perturb(one, "gene", **how).varm


def test_a_perturbed_gene_is_left_out_of_its_score_in_every_spelling(small_screen):
    ids = {"IFNGR1": "ENSG00000027697", "JAK1": "ENSG00000162434", "CDK2": "ENSG00000123374"}
    one = small_screen.copy()
    one.var_names = [*ids, *one.var_names[3:]]
    by_id = one.copy()
    by_id.var_names = [ids.get(g, g) for g in one.var_names]
    how = {"n_halves": 1, "n_genes": 50, "copy": True}
    expected, found = (sgt.tl.perturb(a, "gene", **how).uns["sgt_perturb"] for a in (one, by_id))
    pd.testing.assert_frame_equal(found["evaluation"], expected["evaluation"], rtol=1e-6)
    assert set(ids.values()) < set(found["predictions"].columns)
    one.obs["gene"] = one.obs["gene"].replace({**ids, "CDK2": "cdk2"})
    top = sgt.tl.perturb(one, "gene", **how).uns["sgt_perturb"]["top"]
    assert not (top["gene"] == top["condition"].replace({i: g for g, i in ids.items()}).str.upper()).any()


def test_quantiles_of_predicted_cells_and_the_share_in_the_middle_of_the_true_ones(small_screen, tmp_path):
    out = sgt.tl.perturb(
        small_screen, "gene", batch_key="batch", query=["STAT1", "CDK6"], quantiles=(0.75, 0.25), n_halves=1, copy=True
    )
    table = out.uns["sgt_perturb"]["quantiles"]
    assert table["condition"].tolist() == ["STAT1", "STAT1", "CDK6", "CDK6"]
    assert table["quantile"].tolist() == [0.25, 0.75, 0.25, 0.75]
    low, high = (table[table["quantile"] == q].drop(columns=["condition", "quantile"]).to_numpy() for q in (0.25, 0.75))
    assert (low <= high).all()
    assert (low >= 0).all()
    within = out.uns["sgt_perturb"]["evaluation"][["in_central_10", "in_central_20", "in_central_50"]]
    assert (within.diff(axis=1).iloc[:, 1:] >= 0).all().all()  # a wider middle holds more
    assert within.loc["ceiling", "in_central_50"] > 0.5 > within.loc["no_change", "in_central_50"]
    out.write_h5ad(tmp_path / "a.h5ad")
    assert ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_perturb"]["quantiles"].shape == (4, 62)


def test_knowledge_of_genes_beats_the_mean(small_screen):
    out = sgt.tl.perturb(small_screen, "gene", batch_key="batch", n_halves=2, copy=True).uns["sgt_perturb"]
    table = out["evaluation"]
    assert table.loc["kernel", "mse"] < 0.6 * table.loc["shrunken_mean", "mse"]
    assert table.loc["kernel", "pearson_delta"] > table.loc["mean", "pearson_delta"] + 0.2
    assert table.loc["ceiling", "pearson_delta"] > 0.9
    assert out["verdict"].startswith("On all 8: kernel beats the best baseline by mse")
    assert (out["paired"]["mse_high"] < 0).all()
    assert out["predictions"].shape == (8, 60)  # of the held-out ones
    assert set(out["top"]["condition"]) == {*RECEPTORS, *KINASES}


def test_a_loaded_network_is_tuned_and_its_weights_are_named(small_screen, tmp_path):
    folder = checkpoints.scgpt(tmp_path, [*GENES, *RECEPTORS, *KINASES], n_layers=1, dim=16, n_heads=2)
    model = sgt.fm.load("scgpt", checkpoint=folder, device="cpu")
    how = {
        "method": "scgpt",
        "evaluate": False,
        "query": "IFNGR1+CDK6",
        "max_epochs": 1,
        "cells_per_condition": 4,
        "n_controls": 4,
    }
    out = sgt.tl.perturb(small_screen, "gene", batch_key="batch", model=model, copy=True, **how).uns["sgt_perturb"]
    assert out["params"]["chosen"]["weights"] == "given"
    assert list(out["history"].columns) == ["loss", "validation"]
    with pytest.raises(InputValueError, match="model is a network of Cell-Graph Compass"):
        sgt.tl.perturb(small_screen, "gene", **{**how, "method": "cgc"}, model=model)


def test_permuted_conditions_leave_nothing(small_screen):
    adata = small_screen.copy()
    own = (adata.obs["gene"] != "non-targeting").to_numpy()
    names = adata.obs["gene"].to_numpy(copy=True)
    x, rng = adata.X.toarray(), np.random.default_rng(0)
    x[own] = x[~own][rng.integers((~own).sum(), size=own.sum())]  # all are control cells
    fake = ad.AnnData(sp.csr_matrix(x), pd.DataFrame({"gene": names}, index=adata.obs_names), adata.var)
    table = sgt.tl.perturb(fake, "gene", n_halves=3, copy=True).uns["sgt_perturb"]
    assert not table["signal"]["has_signal"].any()
    assert (table["evaluation"]["pearson_delta"].abs() < 0.2).all()
    assert table["evaluation"].loc["kernel", "mse"] < 1.2 * table["evaluation"].loc["no_change", "mse"]


def test_combinations_are_split_as_in_gears_and_reported_apart(small_screen):
    adata = small_screen.copy()
    names = adata.obs["gene"].to_numpy(copy=True)
    for i, (a, b) in enumerate([("IFNGR1", "CDK2"), ("IFNGR2", "CDK4"), ("JAK1", "JAK2"), ("CCND1", "CCNE1")]):
        names[np.flatnonzero(names == a)[:30]] = f"{a}+{b}" if i % 2 else f"{b}+{a}"
    adata.obs["gene"] = names
    out = sgt.tl.perturb(adata, "gene", batch_key="batch", n_halves=1, copy=True, rng=1).uns["sgt_perturb"]
    assert out["params"]["split"] == "simulation"
    assert {"additive", "matching_mean"} <= set(out["evaluation"].index)
    assert set(out["evaluation_subgroups"]["subgroup"]) <= {
        "unseen_single",
        "combo_seen0",
        "combo_seen1",
        "combo_seen2",
    }


def test_a_cell_type_is_held_out_where_one_thing_was_done(small_screen):
    adata = small_screen[small_screen.obs["gene"].isin(["non-targeting", "JAK1", "JAK2"])].copy()
    adata.obs["done"] = adata.obs["gene"].map({"non-targeting": "ctrl", "JAK1": "stim", "JAK2": "stim"})
    adata.obs["type"] = np.array(["T", "B", "NK"])[np.arange(adata.n_obs) % 3]
    out = sgt.tl.perturb(adata, "done", cell_type_key="type", n_halves=1, copy=True).uns["sgt_perturb"]
    assert out["params"]["split"] == "unseen_cell_type"
    assert list(out["signal"].index) == ["stim (B)", "stim (NK)", "stim (T)"]
    assert out["evaluation"].loc["matching_mean", "pearson_delta"] > 0.7
    assert out["evaluation"].loc["kernel", "pearson_delta"] > 0.7


@pytest.fixture(scope="module")
def dosed(small_screen):
    """A drug at three doses whose effect grows with their logarithm, and another one that does the contrary."""
    adata, rng = small_screen.copy(), np.random.default_rng(3)
    n = np.arange(900)
    drug = np.where(n < 300, "DMSO", np.where(n % 2, "up", "down"))
    dose = np.where(n < 300, 0, np.array([1, 10, 100])[n // 2 % 3]).astype(float)
    size = np.where(n < 300, 0, np.where(n % 2, 1, -1)) * (1 + np.log10(np.maximum(dose, 1))) / 3
    rate = np.exp(np.linspace(-0.5, 1, 60) + 1.5 * size[:, None] * (np.arange(60) < 30))
    adata.X, adata.obs["drug"], adata.obs["dose"] = sp.csr_matrix(rng.poisson(rate).astype(np.float32)), drug, dose
    adata.obs.loc[n < 300, "dose"] = np.nan  # of control cells nobody asks
    return adata


def test_a_dose_that_nobody_gave_lies_between_its_neighbours(dosed):
    out = sgt.tl.perturb(
        dosed,
        "drug",
        dose_key="dose",
        features="none",
        split="unseen_dose",
        query=["up@30", "down@5.0"],
        n_halves=1,
        copy=True,
    )
    found = out.uns["sgt_perturb"]
    assert list(found["predictions"].index) == ["up@30", "down@5"]
    assert set(found["split"]["condition"]) == {f"{d}@{x}" for d in ("up", "down") for x in (1, 10, 100)}
    top = found["top"].groupby("condition")["kernel"].mean()
    assert top["up@10"] > 0.2 > -0.2 > top["down@10"]
    said = found["predictions"].to_numpy()[0, :30].mean()
    true = [out[(out.obs["drug"] == "up") & (out.obs["dose"] == d)].X[:, :30].mean() for d in (1, 10, 100)]
    assert true[0] < true[1] < true[2]
    assert said > 0.3
    assert "matching_mean" in found["evaluation"].index  # the nearest dose
    assert found["evaluation"].loc["matching_mean", "pearson_delta"] > 0.8
    alone = sgt.tl.perturb(
        dosed[dosed.obs["drug"] != "down"].copy(), "drug", dose_key="dose", features="none", n_halves=1, copy=True
    )
    assert alone.uns["sgt_perturb"]["params"]["split"] == "unseen_dose"


DOSES = [
    ({"dose_key": "gene"}, InputValueError, r"obs\['gene'\] is no positive number in 600 perturbed cells"),
    ({"dose_key": "dosis"}, MissingKeyError, "dose_key='dosis' is no column of obs"),
    (
        {"dose_key": "dose", "query": "up"},
        InputValueError,
        "query='up' names no dose, and dose_key= does. Ask for one, such as up@10",
    ),
    ({"split": "unseen_dose"}, InputValueError, "0 doses among the conditions; kind='unseen_dose' wants two"),
]


@pytest.mark.parametrize(("how", "error", "says"), DOSES)
def test_doses_that_are_none_are_refused(dosed, how, error, says):
    with pytest.raises(error, match=says):
        sgt.tl.perturb(dosed, "drug", n_halves=1, features="none", **how)


def test_the_seed_decides_and_the_order_of_cells_does_not_matter_to_a_prediction(small_screen):
    how = {"batch_key": "batch", "query": "STAT1", "n_halves": 1, "copy": True}
    a, b = (sgt.tl.perturb(small_screen, "gene", **how).uns["sgt_perturb"] for _ in range(2))
    pd.testing.assert_frame_equal(a["evaluation"], b["evaluation"])
    turned = sgt.tl.perturb(small_screen[::-1].copy(), "gene", **{**how, "evaluate": False}).uns["sgt_perturb"]
    np.testing.assert_allclose(turned["predictions"], a["predictions"], atol=1e-6)
    assert set(turned) == {"predictions", "params"}


def test_what_is_left_out_is_said(small_screen):
    adata = small_screen.copy()
    names = adata.obs["gene"].astype(object)
    names.iloc[300:305] = np.nan
    names.iloc[310:314] = "RARE1"
    adata.obs["gene"] = names
    with pytest.warns(SgtWarning) as caught:
        out = sgt.tl.perturb(adata, "gene", evaluate=False, query=["ZZZ9", "JAK1"], copy=True)
    said = " ".join(str(w.message) for w in caught)
    assert "says nothing of 5 cells" in said
    assert "1 conditions of fewer than 10 cells are left out: RARE1" in said
    assert "ZZZ9: like no perturbation of these cells by go; the prediction is the mean of the others" in said
    assert "JAK1: perturbed in these cells" in said
    assert out.uns["sgt_perturb"]["params"]["left_out"] == ["RARE1"]


def column(name, values):
    def spoil(a):
        a.obs[name] = values(a.obs["gene"]) if callable(values) else values

    return spoil


def renamed(old, new):
    return column("gene", lambda gene: gene.replace({old: new}))


def nothing(a):
    """Leave the object as it is."""


N = np.arange(900)
LANE, WRONG = {"batch_key": "lane"}, InputValueError
ALONE = np.where(N < 300, "ctrl", [f"G{i}" for i in N])
EMPTY = pd.DataFrame({"a": [np.nan]}, index=["JAK1"])
APART = column("lane", lambda gene: np.where(gene == "non-targeting", "a", "b"))
BAD = [
    (renamed("non-targeting", "X1"), {}, WRONG, "No control among the conditions"),
    (renamed("JAK1", "ctrl"), {}, WRONG, "2 conditions could be the control: ctrl, non-targeting"),
    (
        column("gene", lambda g: np.where(N < 290, "JAK1", g)),
        {},
        WRONG,
        "holds 10 control cells; a change is .* at least 20",
    ),
    (column("gene", lambda g: np.full(900, None)), {}, WRONG, r"obs\['gene'\] says nothing of any of the 900 cells"),
    (renamed("JAK1", "JAK1+JAK1"), {}, WRONG, r"'JAK1\+JAK1' names 'JAK1' twice"),
    (APART, LANE, WRONG, "the two are confounded"),
    (column("gene", ALONE), {}, WRONG, r"No condition of .* has 10 cells; the largest has 1"),
    (column("lane", np.where(N < 5, None, "b")), LANE, WRONG, "holds NaN in 5 of"),
    (
        lambda a: setattr(a, "var_names", ["STAT1", *GENES[:-1]]),
        {},
        WRONG,
        "1 gene names stand more than once .STAT1, ….",
    ),
    (lambda a: setattr(a, "X", a.X.toarray() - 1), {}, InputScaleError, "looks scaled"),
    (lambda a: a.X.data.__setitem__(0, np.nan), {}, WRONG, "1 NaN"),
    (nothing, {"batch_key": "bach"}, MissingKeyError, r"Did you mean 'batch'\?"),
    (nothing, {"split": "random"}, WRONG, "split is 'auto', 'unseen'"),
    (nothing, {"split": "unseen_cell_type"}, WRONG, "All perturbed cells are of one cell type"),
    (nothing, {"split": "unseen_combo"}, WRONG, "0 conditions are combinations"),
    (nothing, {"features": "gene2vec"}, WRONG, "features='gene2vec' is none of 'go', 'prior', 'vectors'"),
    (
        lambda a: a.varm.__setitem__("Z", np.full((a.n_vars, 2), np.nan)),
        {"features": "Z"},
        WRONG,
        "features='Z': .* of finite numbers for none of the genes",
    ),
    (nothing, {"features": EMPTY}, WRONG, "features is a table of finite numbers"),
    (nothing, {"query": ["non-targeting"]}, WRONG, "names no perturbed gene"),
    (nothing, {"quantiles": [0.5]}, WRONG, "no query= asks for any"),
    (nothing, {"quantiles": [50], "query": "STAT1"}, WRONG, "quantiles is a number"),
    (nothing, {"query": "STAT1@10"}, WRONG, "asks for 'STAT1@10', and no cell has a dose"),
    (column("gene", "ctrl"), {}, WRONG, "holds control cells only"),
    (column("gene", np.where(N < 300, "ctrl", "JAK1")), {}, WRONG, "cells, JAK1, and nothing can be held out"),
    (nothing, {"control": "NT"}, WRONG, "control='NT' is no condition"),
    (nothing, {"method": "scgen"}, WRONG, "no perturbation method 'scgen'"),
    (nothing, {"query": "ctrl"}, WRONG, "names no perturbed gene"),
    (nothing, {"model": "cgc-mini"}, WRONG, r"model='cgc-mini' would not be read.* features=\['go', 'vectors'\]"),
    (nothing, {"method": "cgc", "folder": 3}, InputTypeError, "folder is a path; got 3"),
    (nothing, {"method": "mean", "max_epochs": 3}, WRONG, "max_epochs= is for networks"),
    (nothing, {"method": "mean", "device": "gpu"}, WRONG, "device='gpu' is no device of PyTorch"),
    (nothing, {"query": []}, WRONG, "query= names no perturbation"),
    (nothing, {"query": [3]}, InputTypeError, "query is a text or a list of them, names of genes; it holds 3"),
    (nothing, {"evaluate": False}, WRONG, "there is nothing to do. Pass query="),
    (nothing, {"centre": 3}, WRONG, "centre is 'control' or 'mean'; got 3"),
]


@pytest.mark.filterwarnings("ignore:Variable names are not unique")  # anndata's own, of a row above
@pytest.mark.parametrize(("spoil", "how", "error", "says"), BAD)
def test_bad_input_is_refused_in_words_and_nothing_is_written(small_screen, spoil, how, error, says):
    adata = small_screen.copy()
    spoil(adata)
    before = adata.copy()
    with pytest.raises(error, match=says):
        sgt.tl.perturb(adata, "gene", n_halves=1, **how)
    assert changed(before, adata) == set()


def unused(a):
    a.obs["gene"] = pd.Categorical(a.obs["gene"], categories=[*a.obs["gene"].unique(), "NOBODY"])


def drugs(a):
    a.obs["gene"] = a.obs["gene"].map(lambda g: g if g == "non-targeting" else f"drug {g[-1]}")


TABLE = pd.DataFrame(np.eye(3), index=["drug 1", "drug 2", "drug 4"])
ODD = [
    (unused, {}, 8, None),  # a category without cells is no condition
    (drugs, {"features": "none"}, 3, None),
    (drugs, {"features": TABLE}, 3, None),
    (
        drugs,
        {"features": "go", "query": "drug 9"},
        3,
        "drug 9: like no perturbation of these cells by go; the prediction is the mean",
    ),
]


@pytest.mark.parametrize(("odd", "how", "n", "says"), ODD)
def test_what_is_odd_is_taken_or_said(small_screen, odd, how, n, says):
    adata = small_screen.copy()
    odd(adata)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sgt.tl.perturb(adata, "gene", n_halves=1, split="unseen", **how)
    found = adata.uns["sgt_perturb"]
    assert found["split"]["condition"].nunique() == n
    assert np.isfinite(found["predictions"]).all().all()
    said = " ".join(str(w.message) for w in caught)
    assert (said == "") if says is None else (says in said)


@pytest.mark.slow
def test_a_real_screen(test_data):
    """18 knock-outs of papalexi, six with a signal: the figures of the documentation, with room for the draw of the halves."""
    adata = ad.read_h5ad(test_data / "perturb/papalexi_eccite.h5ad")
    sgt.tl.perturb(adata, "perturbation", batch_key="batch")
    found = adata.uns["sgt_perturb"]
    assert found["evaluation"].loc["kernel", "mse"] < 1.5e-3 < 2.3e-3 < found["evaluation"].loc["shrunken_mean", "mse"]
    assert found["paired"].loc["shrunken_mean", "mse_high"] < 0
    assert found["signal"].index[found["signal"]["has_signal"]].tolist() == [
        "BRD4",
        "CUL3",
        "IFNGR1",
        "IFNGR2",
        "IRF1",
        "JAK2",
    ]
    assert found["evaluation_signal"].loc["kernel", "pearson_delta"] > 0.45


@pytest.mark.parametrize("effect", [True, False], ids=["effect", "dealt at random"])
def test_the_line_says_what_chance_and_the_ceiling_reach(small_screen, effect, caplog):
    """A share of found genes alone can be read as success."""
    adata = small_screen.copy()
    if not effect:
        adata.obs["gene"] = np.random.default_rng(1).permutation(adata.obs["gene"])
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.perturb(adata, "gene", batch_key="batch", n_halves=1)
    line, every = [m for m in caplog.messages if m.startswith("perturb: ")]
    assert every.startswith("perturb: On all 8: kernel")
    assert ("of the true change (ceiling " in line) == effect
    assert len(re.findall("other half", line)) == 1  # what the ceiling is; elsewhere it has its name
    own, chance = map(
        float, re.search(r"changed genes found \(AUPRC\) ([\d.]+), chance ([\d.]+), ceiling", line).groups()
    )
    assert (own > 1.5 * chance) == effect
    assert ("none of these numbers tells a method from chance" in line) != effect


def test_a_second_control_and_guides_are_said(small_screen):
    adata = small_screen.copy()
    gene = adata.obs["gene"].astype(str).to_numpy(copy=True)
    gene[np.flatnonzero(gene == "non-targeting")[:50]] = "DMSO"
    adata.obs["gene"] = gene
    with pytest.warns(SgtWarning, match=r"50 cells of .* another control \(DMSO\) than 'non-targeting'") as told:
        sgt.tl.perturb(adata, "gene", query="STAT1", control="non-targeting", evaluate=False)
    assert len(told) == 1
    assert adata.uns["sgt_perturb"]["params"]["n_controls"] == 250
    adata.obs["gene"] = [g if g == "DMSO" else f"{g}g{i % 2}" for i, g in enumerate(gene)]
    with pytest.warns(SgtWarning, match=r"16 perturbations .* look like guides of 8 genes .*which leaks"):
        sgt.tl.perturb(
            adata[adata.obs["gene"].str.len() < 12].copy(), "gene", query="STAT1g0", method="mean", evaluate=False
        )


def test_a_gene_may_be_called_as_a_column_of_the_quantiles(small_screen, tmp_path):
    adata = small_screen.copy()
    adata.var_names = ["STAT1", "condition", "quantile", *GENES[3:]]
    sgt.tl.perturb(adata, "gene", query="STAT1", evaluate=False, quantiles=[0.5])
    table = adata.uns["sgt_perturb"]["quantiles"]
    assert list(table.columns[:5]) == ["condition", "quantile", "STAT1", "condition (gene)", "quantile (gene)"]
    adata.write_h5ad(tmp_path / "a.h5ad")


def test_of_two_conditions_nobody_says_who_wins(small_screen):
    some = small_screen[small_screen.obs["gene"].isin(["non-targeting", "JAK1", "CDK2"])].copy()
    sgt.tl.perturb(some, "gene", n_halves=1)
    assert "cannot be told, by so few, from the best baseline" in some.uns["sgt_perturb"]["verdict"]
