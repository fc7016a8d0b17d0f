import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GraphError, InputValueError, MissingKeyError, SgtWarning
from scgnn_tools.grn.infer import word

QUICK = {"method": "degree", "n_runs": 1, "controls": False}
# a third of the prior: enough to evaluate on, and quick
SOME = genes.prior()
SOME = SOME[SOME["source"].isin(SOME["source"].unique()[::3]) | SOME["source"].isin(["SPI1", "IRF8"])]
COLUMNS = [
    "source",
    "target",
    "score",
    "probability",
    "is_tf",
    "known",
    "stability",
    "sign",
    "sign_from",
    "sign_conflict",
    "correlation",
    "cosine",
    "prior_score",
    "data_score",
    "log_ratio",
    "z",
    "coherence",
]


@pytest.mark.slow
def test_the_bare_call(pbmc68k):
    before = pbmc68k.copy()
    assert sgt.tl.infer_grn(pbmc68k) is None
    assert changed(before, pbmc68k) == {"uns['sgt_grn']", "varp['sgt_grn']"}
    entry = pbmc68k.uns["sgt_grn"]
    edges = entry["edges"]
    assert list(edges.columns)[: len(COLUMNS)] == COLUMNS
    own = ["base", "degree", "collaboration", "similar_tfs", "similar_targets", "coexpression", "vectors"]
    assert list(edges.columns)[len(COLUMNS) :] == own  # what the method says of each edge
    assert np.isfinite(edges[own]).all().all()
    assert edges["score"].is_monotonic_decreasing
    assert edges["score"].between(0, 1).all()
    assert edges["stability"].between(0, 1).all()
    assert edges["probability"].between(0, 1).all()
    assert edges["probability"].corr(edges["score"], method="spearman") > 0.8
    assert np.isfinite(edges["prior_score"]).all()
    assert edges["data_score"].notna().any()
    added = np.log(edges["score"] / (1 - edges["score"])) - np.log(edges["prior_score"] / (1 - edges["prior_score"]))
    np.testing.assert_allclose(added, edges["log_ratio"], atol=1e-3)
    assert {"reliability", "ratio", "recovery", "held_out"} <= set(entry["evaluation"])
    assert entry["evaluation"]["cells"].count("\n") == 2
    assert "its rewired copies" in entry["evaluation"]["verdict"]
    told = edges["sign_from"] == "data"
    assert (np.sign(edges["correlation"]) == edges["sign"])[told].all()
    assert set(edges["sign"].dropna()) <= {1.0, -1.0}
    assert edges["source"].isin(pbmc68k.var_names).all()
    assert edges["target"].isin(pbmc68k.var_names).all()
    table = entry["evaluation"]["table"]
    assert table.index[0] == "sgt"
    assert {"degree", "collaborative", "cosine", "pcc"} <= set(table.index)
    assert entry["evaluation"]["status"] == "ok"
    trained = table.drop(index="pcc")
    assert trained["n"].nunique() == 1
    assert 0.45 < table.loc["degree", "auroc"] < 0.56  # what counting can do at fixed degree
    assert table.loc["pcc", "status"].endswith("too few")
    assert np.isnan(table.loc["pcc", "auprc"])
    matrix = pbmc68k.varp["sgt_grn"]
    assert sp.issparse(matrix)
    assert matrix.nnz == len(edges)
    i, j = (pbmc68k.var_names.get_indexer(edges[c]) for c in ("source", "target"))
    np.testing.assert_allclose(np.asarray(matrix[i, j]).ravel(), edges["score"], rtol=1e-6)


def test_known_edges_carry_the_sign_of_the_prior(pbmc68k):
    sgt.tl.infer_grn(pbmc68k, **QUICK)
    edges = pbmc68k.uns["sgt_grn"]["edges"]
    prior = genes.prior().set_index(["source", "target"])["mode"]
    known = edges[edges["known"]]
    assert len(known) > 40  # every edge of the prior that lies within the data
    for e in known.itertuples():
        mode = prior.get((e.source, e.target))
        if mode == "Activation":
            assert (e.sign, e.sign_from) == (1.0, "prior")
        if mode == "Repression":
            assert (e.sign, e.sign_from) == (-1.0, "prior")
    assert not pd.MultiIndex.from_frame(edges[~edges["known"]][["source", "target"]]).isin(prior.index).any()


def test_sources_of_the_prior_that_are_no_transcription_factors_are_told(pbmc68k, caplog):
    kinase = pd.DataFrame({"source": "CD4", "target": ["LYZ", "CST3"]})  # a receptor, as TRRUST's EIF2AK2 is a kinase
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.infer_grn(pbmc68k, pd.concat([SOME, kinase]), **QUICK)
    is_tf = pbmc68k.uns["sgt_grn"]["edges"].drop_duplicates("source").set_index("source")["is_tf"]
    assert is_tf.dtype == bool
    assert is_tf["SPI1"]
    assert not is_tf["CD4"]
    assert (
        f"{is_tf.sum()} of {len(is_tf)} sources are on the list of transcription factors; column is_tf" in caplog.text
    )


@pytest.fixture(scope="module")
def inferred(_pbmc68k):
    """The network of a third of the prior, with its controls."""
    return sgt.tl.infer_grn(_pbmc68k, SOME, copy=True, **{**QUICK, "controls": True})


@pytest.mark.parametrize("write", ["h5ad", "zarr"])
def test_round_trip(inferred, tmp_path, write):
    path = tmp_path / f"a.{write}"
    getattr(inferred.copy(), f"write_{write}")(path)
    back = getattr(ad.io, f"read_{write}")(path).uns["sgt_grn"]
    entry = inferred.uns["sgt_grn"]
    for column in COLUMNS:
        assert back["edges"][column].astype(object).equals(entry["edges"][column].astype(object)) or np.allclose(
            back["edges"][column], entry["edges"][column], equal_nan=True
        )
    assert back["evaluation"]["verdict"] == entry["evaluation"]["verdict"]
    assert back["params"]["prior"] == entry["params"]["prior"]


@pytest.mark.parametrize("method", ["collaborative", "cosine", "pcc"])
def test_every_baseline_is_a_method(pbmc68k, method):
    sgt.tl.infer_grn(pbmc68k, SOME, method=method, n_runs=1, n_top=10, controls=False)
    edges = pbmc68k.uns["sgt_grn"]["edges"]
    assert (edges.groupby("source").size() >= 1).all()
    assert np.isfinite(edges["score"]).all()


@pytest.mark.parametrize("split", ["unseen_tf", "unseen_target", "degree_matched", "random_pair"])
def test_every_split(pbmc68k, split):
    sgt.tl.infer_grn(pbmc68k, SOME, split=split, **QUICK)
    assert pbmc68k.uns["sgt_grn"]["evaluation"]["split"] == split
    assert pbmc68k.uns["sgt_grn"]["evaluation"]["status"] == "ok"


def test_a_prior_of_ones_own_as_table_and_as_matrix(pbmc68k):
    rng = np.random.default_rng(0)
    names = pbmc68k.var_names.to_numpy()
    factors = [t for t in genes.transcription_factors() if t in pbmc68k.var_names][:20]
    own = pd.DataFrame({"source": rng.choice(factors, 300), "target": rng.choice(names, 300)})
    own = pd.concat([own, own.head(5), pd.DataFrame({"source": factors[:3], "target": factors[:3]})])
    sgt.tl.infer_grn(pbmc68k, own, **QUICK)
    first = pbmc68k.uns["sgt_grn"]
    assert first["params"]["prior"] == "the given table"
    i, j = (pbmc68k.var_names.get_indexer(own[c]) for c in ("source", "target"))
    pbmc68k.varp["mine"] = sp.csr_matrix((np.ones(len(own)), (i, j)), shape=(pbmc68k.n_vars, pbmc68k.n_vars))
    sgt.tl.infer_grn(pbmc68k, "mine", key_added="again", **QUICK)
    assert pbmc68k.uns["again"]["params"]["n_edges"] == first["params"]["n_edges"]


def test_several_priors_and_a_mask(pbmc68k):
    half = SOME.assign(mode=["Activation", "Repression"] * (len(SOME) // 2) + ["+"] * (len(SOME) % 2))
    mask = SOME[SOME["source"].isin(["SPI1", "STAT1", "JUN"])]
    mask = pd.concat([mask, pd.DataFrame({"source": "SPI1", "target": pbmc68k.raw.var_names[:40]})])
    tell = {"prior": {"all": SOME, "half": half.iloc[::2]}, "mask": mask, "method": "degree", "n_runs": 1}
    sgt.tl.infer_grn(pbmc68k, **tell)
    edges = pbmc68k.uns["sgt_grn"]["edges"]
    assert edges["in_all"].equals(edges["known"])
    assert 0 < edges["in_half"].sum() < edges["known"].sum()
    allowed = pd.MultiIndex.from_frame(mask[["source", "target"]])
    assert pd.MultiIndex.from_frame(edges[["source", "target"]]).isin(allowed).all()
    assert not edges["known"].all()


@pytest.mark.slow
def test_the_published_protocols_run_and_a_method_is_found_in_any_case(pbmc68k):
    small = {"n_runs": 1, "n_top": 5, "controls": False, "max_epochs": 5}
    half = SOME[SOME["source"].isin(SOME["source"].unique()[::6])]
    sgt.tl.infer_grn(pbmc68k, half, method="scRegNet", protocol="paper", hidden=(8,), out=(8,), **small)
    assert pbmc68k.uns["sgt_grn"]["params"]["method"] == "scregnet"
    assert pbmc68k.uns["sgt_grn"]["edges"]["score"].notna().all()
    sgt.tl.infer_grn(pbmc68k, half, method="scTransNet", protocol="paper", hidden=(8,), out=(8,), max_cells=50, **small)
    with pytest.raises(InputValueError, match=r"no link predictor 'scregnett'.*Did you mean 'scregnet'"):
        sgt.tl.infer_grn(pbmc68k, half, method="scregnett")


def test_a_prior_that_is_too_small_to_evaluate_still_works(pbmc68k):
    own = pd.DataFrame({"source": ["SPI1", "SPI1", "IRF8", "GATA3"], "target": ["LYZ", "CST3", "IRF1", "CD4"]})
    sgt.tl.infer_grn(pbmc68k, own, method="degree", n_runs=1)
    assert pbmc68k.uns["sgt_grn"]["evaluation"]["status"].startswith("not evaluated")
    assert len(pbmc68k.uns["sgt_grn"]["edges"])


def test_chosen_factors_and_ensembl_names(pbmc68k):
    sgt.tl.infer_grn(pbmc68k, SOME, tfs=["SPI1", "IRF8"], n_top=7, **QUICK)
    assert set(pbmc68k.uns["sgt_grn"]["edges"]["source"]) == {"SPI1", "IRF8"}
    ids = pd.Series(genes.tables.symbol_of_id().index, index=genes.tables.symbol_of_id().to_numpy())
    ids = ids[~ids.index.duplicated()].reindex(pbmc68k.var_names)
    other = pbmc68k[:, ids.notna().to_numpy()].copy()
    other.X = pbmc68k.raw[:, other.var_names].X
    other.raw = None
    other.var_names = [f"{i}.3" for i in ids.dropna()]
    sgt.tl.infer_grn(other, SOME, tfs=["SPI1"], n_top=7, **QUICK)
    assert set(other.uns["sgt_grn"]["edges"]["source"]) == {f"{ids['SPI1']}.3"}


def test_scaled_values_alone_leave_the_signs_open(pbmc68k):
    pbmc68k.raw = None
    with pytest.warns(SgtWarning, match="No matrix fits"):
        sgt.tl.infer_grn(pbmc68k, SOME, **QUICK)
    assert set(pbmc68k.uns["sgt_grn"]["edges"]["sign_from"]) <= {"", "prior"}


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"tfs": ["NOSUCH1"]}, GraphError, "No transcription factor is among the 765 genes"),
        ({"tfs": ["spl1"]}, GraphError, "Did you mean 'SPI1'"),
        ({"prior": pd.DataFrame({"source": ["X1"], "target": ["X2"]})}, GraphError, "shares no gene with the data"),
        ({"prior": "nosuch"}, MissingKeyError, "neither a file, nor bundled, nor in varp; there is: trrust"),
        ({"prior": pd.DataFrame({"a": [1]})}, GraphError, "source, target is missing"),
        ({"prior": SOME.assign(label=0)}, GraphError, "all are of label 0"),
        ({"mask": [("X1", "X2")]}, GraphError, "The mask .* allows no pair"),
        ({"method": "genie9"}, InputValueError, "no link predictor 'genie9'"),
        ({"split": "moon"}, InputValueError, "split is 'unseen_tf_matched', 'unseen_tf'"),
        ({"n_top": 0}, InputValueError, "n_top is a positive integer"),
        ({"use_rep": "scGPT"}, MissingKeyError, "use_rep='scGPT' is not in varm; there is: PCs"),
        ({"layer": "umi"}, MissingKeyError, "no layer 'umi'"),
        (
            {"groupby": "celltype"},
            MissingKeyError,
            "groupby='celltype' is no column of obs; the columns are: bulk_labels",
        ),
        ({"groupby": "nothing"}, InputValueError, r"obs\['nothing'\] names no group: no cell has a value"),
        ({"groupby": "single"}, InputValueError, r"No group of obs\['single'\] has 10 cells; the largest has 1"),
        (
            {"groupby": "bulk_labels", "min_expressed": 2},
            InputValueError,
            "min_expressed is a number at least 0 and below 1",
        ),
        ({"hiden": 3}, InputValueError, "no option 'hiden'; its options are: "),
        ({"key_added": "a/b"}, InputValueError, "no file could hold it"),
        (
            {"key_added": "known", "prior": "known"},
            InputValueError,
            "take the place of what it is made from: prior='known'",
        ),
        ({"store": __file__}, InputValueError, "exists and is no folder of finished runs"),
    ],
)
def test_wrong_input_changes_nothing_and_trains_nothing(pbmc68k, kwargs, error, says, monkeypatch):
    pbmc68k.obs["single"], pbmc68k.obs["nothing"] = pbmc68k.obs_names, np.nan
    pbmc68k.varp["known"] = sp.csr_matrix((765, 765))
    before = pbmc68k.copy()

    def no(*_, **__):
        raise AssertionError("trained")

    module = sys.modules["scgnn_tools.grn.infer"]  # the room's name for it is the function
    monkeypatch.setattr(module, "evaluate", no)
    monkeypatch.setattr(module, "networks", no)
    with pytest.raises(error, match=says):
        sgt.tl.infer_grn(pbmc68k, **kwargs)
    assert changed(before, pbmc68k) == set()


def test_fewer_than_ten_cells_and_constant_genes(pbmc68k):
    few = pbmc68k[:5].copy()
    sgt.tl.infer_grn(few, SOME, **QUICK)
    assert set(few.uns["sgt_grn"]["edges"]["sign_from"]) <= {"", "prior"}
    before = few.copy()
    with pytest.raises(InputValueError, match="pcc learns from expression and needs at least 10 cells; there are 5"):
        sgt.tl.infer_grn(few, method="pcc")
    assert changed(before, few) == set()
    flat = ad.AnnData(np.ones((20, 765), dtype=np.float32), var=pbmc68k.var[[]])
    with pytest.raises(InputValueError, match="pcc learns from expression, and all 765 genes are constant"):
        sgt.tl.infer_grn(flat, method="pcc")
    pbmc68k.raw = None
    with (
        pytest.warns(SgtWarning, match="No matrix fits"),
        pytest.raises(GraphError, match="pcc needs expression of the data"),
    ):
        sgt.tl.infer_grn(pbmc68k, method="pcc")


def test_a_factor_with_one_edge(pbmc68k):
    own = pd.concat([SOME, pd.DataFrame({"source": ["HES4"], "target": ["LYZ"]})])
    sgt.tl.infer_grn(pbmc68k, own, **QUICK)
    edges = pbmc68k.uns["sgt_grn"]["edges"]
    assert edges[edges["known"] & (edges["source"] == "HES4")]["target"].tolist() == ["LYZ"]


def test_a_network_for_each_group(pbmc68k, tmp_path):
    before = pbmc68k.copy()
    labels = pbmc68k.obs["bulk_labels"].astype(str).where(np.arange(700) % 7 > 0)
    labels.iloc[np.flatnonzero(labels.notna())[:4]] = "few"
    pbmc68k.obs["group"] = labels
    with pytest.warns(SgtWarning, match=r"No network for .*few \(4 cells\)"):
        sgt.tl.infer_grn(pbmc68k, SOME, groupby="group", **QUICK)
    assert changed(before, pbmc68k) == {"obs['group']", "uns['sgt_grn']", "varp['sgt_grn']"}
    entry = pbmc68k.uns["sgt_grn"]
    edges = entry["edges"]
    assert list(edges)[:3] == ["group", "source", "target"]
    assert set(edges["group"]) == set(entry["params"]["groups"]) < set(labels.dropna())
    assert entry["evaluation"]["table"].index.is_unique  # once, of all cells
    one = edges[edges["group"] == "CD19+ B"]
    expressed = pbmc68k.raw.to_adata()[(labels == "CD19+ B").to_numpy()].to_df() > 0
    both = [(expressed[s] & expressed[t]).mean() for s, t in zip(one["source"], one["target"], strict=True)]
    np.testing.assert_allclose(one["coexpressed"], both, atol=1e-6)
    assert (expressed[one["target"].unique()].mean() >= 0.05).all()
    assert pbmc68k.varp["sgt_grn"].nnz == len(edges.drop_duplicates(["source", "target"]))
    pbmc68k.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_grn"]
    assert set(back["params"]["groups"]) == set(entry["params"]["groups"])
    pd.testing.assert_frame_equal(back["edges"], edges, check_dtype=False)


def test_a_blank_group_is_none(pbmc68k, caplog):
    pbmc68k.obs["b"] = np.where(
        pbmc68k.obs["bulk_labels"] == "CD19+ B", "B", np.where(np.arange(pbmc68k.n_obs) % 2, "", " ")
    )
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.infer_grn(pbmc68k, SOME, method="pcc", groupby="b", controls=False)
    assert pbmc68k.uns["sgt_grn"]["edges"]["group"].unique().tolist() == ["B"]
    n = int((pbmc68k.obs["b"] != "B").sum())
    assert any(f"{n} cells without a value in obs['b'] are in no group" in m for m in caplog.messages)
    pbmc68k.obs["b"] = " "
    with pytest.raises(InputValueError, match=r"obs\['b'\] names no group: no cell has a value"):
        sgt.tl.infer_grn(pbmc68k, SOME, method="pcc", groupby="b")


@pytest.mark.filterwarnings("ignore:No network for")  # of one group there are eight cells
@pytest.mark.slow
def test_of_many_cells_some_are_drawn_and_small_groups_stay_whole(pbmc68k):
    sgt.tl.infer_grn(pbmc68k, SOME, groupby="bulk_labels", most_cells=300, **QUICK)
    entry = pbmc68k.uns["sgt_grn"]
    assert entry["params"]["n_cells"] == 300
    sizes = pbmc68k.obs["bulk_labels"].value_counts()
    assert set(entry["params"]["groups"]) == set(sizes.index[sizes >= 10].astype(str))
    whole = entry["evaluation"]["reliability"]["cells"]
    small = [g for g in whole.index[1:] if sizes[g] < 300 / len(sizes)]
    assert small
    assert all(whole[g] == sizes[g] for g in small)
    order = np.random.default_rng(0).permutation(700)
    again = sgt.tl.infer_grn(pbmc68k[order].copy(), SOME, groupby="bulk_labels", most_cells=300, copy=True, **QUICK)
    pairs = ["group", "source", "target"]
    first, second = (a.uns["sgt_grn"]["edges"].set_index(pairs)["score"].sort_index() for a in (pbmc68k, again))
    pd.testing.assert_series_equal(first, second, atol=1e-6)
    with pytest.raises(InputValueError, match="most_cells"):
        sgt.tl.infer_grn(pbmc68k, SOME, most_cells=0)


def test_the_order_of_the_cells_does_not_decide_which_group_gives_one_more(pbmc68k):
    pbmc68k.obs["half"] = np.repeat(["x", "y"], 350)
    how = dict.fromkeys(["tfs", "use_rep", "layer", "gene_key", "organism"])
    drawn = []
    for adata in (pbmc68k, pbmc68k[::-1].copy()):
        data = sgt.grn.collect(adata, SOME, rng=0, most_cells=301, groupby="half", **how)
        drawn.append(set(adata.obs_names[data.cells]))
    assert drawn[0] == drawn[1]


def test_a_store_is_a_path_that_a_system_can_hold(pbmc68k):
    with pytest.raises(InputValueError, match=r"store=.* holds a null character"):
        sgt.tl.infer_grn(pbmc68k, SOME, store="a\0b", **QUICK)


def test_a_modality_of_a_mudata(pbmc68k):
    import mudata

    adt = ad.AnnData(np.ones((700, 2)), obs=pbmc68k.obs[[]], var=pd.DataFrame(index=["CD3", "CD19"]))
    both = mudata.MuData({"rna": pbmc68k, "adt": adt})
    out = sgt.tl.infer_grn(both, SOME, copy=True, **QUICK)
    assert "sgt_grn" in out["rna"].uns
    assert "sgt_grn" not in both["rna"].uns
    assert sgt.tl.infer_grn(both, SOME, mod="rna", **QUICK) is None
    pd.testing.assert_frame_equal(both["rna"].uns["sgt_grn"]["edges"], out["rna"].uns["sgt_grn"]["edges"])


@pytest.mark.slow
def test_factors_that_are_not_there_are_told(pbmc68k, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.infer_grn(pbmc68k, SOME, tfs=["SPI1", "ZZZ"], **QUICK)
    assert "1 name of tfs= is no gene of the data with a vector: ZZZ" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.infer_grn(pbmc68k, SOME, tfs=["SPI1"], **QUICK)
    assert "of tfs=" not in caplog.text


def test_a_store_is_for_one_inference(pbmc68k, tmp_path, caplog):
    options = {"prior": SOME, "method": "collaborative", "n_runs": 1, "store": tmp_path / "runs", "controls": False}
    sgt.tl.infer_grn(pbmc68k, n_top=20, **options)
    files = {p.name for p in (tmp_path / "runs").iterdir()}
    assert files == {
        "plan.json",
        "run0.safetensors",
        "calibration.json",
        "evaluation-unseen_tf_matched-without-controls.json",
    }
    stored = sgt.tl.infer_grn(pbmc68k, n_top=30, copy=True, **options)
    fresh = sgt.tl.infer_grn(pbmc68k, n_top=30, copy=True, **{**options, "store": None})
    for name in ("edges", "evaluation"):
        a, b = stored.uns["sgt_grn"][name], fresh.uns["sgt_grn"][name]
        pd.testing.assert_frame_equal(a if name == "edges" else a["table"], b if name == "edges" else b["table"])
    with caplog.at_level("INFO", logger="scgnn_tools"), pytest.warns(SgtWarning, match="No network for"):
        by_group = sgt.tl.infer_grn(pbmc68k, groupby="bulk_labels", copy=True, **options)
    assert "all 3 trainings of collaborative are in the store" in caplog.text
    assert by_group.uns["sgt_grn"]["edges"]["group"].nunique() > 5
    assert {p.name for p in (tmp_path / "runs").iterdir()} == files
    before = pbmc68k.copy()
    for other in ({"rng": 1}, {"tfs": ["SPI1"]}, {"method": "degree"}):
        with pytest.raises(InputValueError, match="holds another run, which differs in"):
            sgt.tl.infer_grn(pbmc68k, **{**options, **other})
    assert changed(before, pbmc68k) == set()


def test_a_store_is_for_one_order_in_time(pbmc68k, tmp_path):
    named = pbmc68k.var_names.isin(SOME["source"]) | pbmc68k.var_names.isin(SOME["target"])
    adata = pbmc68k[:200, named].copy()[:, :60].copy()
    how = {"prior": SOME, "method": "scode", "pseudotime": "t", "store": tmp_path, "n_runs": 1, "controls": False}
    adata.obs["t"] = np.linspace(0, 1, 200)
    sgt.tl.infer_grn(adata, **how)
    adata.obs["t"] = adata.obs["t"].to_numpy()[::-1] ** 2
    with pytest.raises(InputValueError, match="differs in times of the cells"):
        sgt.tl.infer_grn(adata, **how)
    times = np.arange(3_000.0)
    other = np.where(times == 1_500, -1, times)  # in the middle, which numpy does not show
    assert repr(times) == repr(other)
    assert word(times) != word(other)


RUN = """
import warnings; warnings.simplefilter("ignore")
import sys, scanpy as sc, scgnn_tools as sgt
from scgnn_tools import genes
adata = sc.datasets.pbmc68k_reduced()
prior = genes.prior()
prior = prior[prior["source"].isin(prior["source"].unique()[::5])]
sgt.tl.infer_grn(adata, prior, method="scregnet", max_epochs=3, n_runs=4, store=sys.argv[1])
adata.uns["sgt_grn"]["edges"].to_pickle(sys.argv[1] + ".edges")
"""


@pytest.mark.slow
def test_killed_and_called_again_it_ends_as_if_it_had_not_been(tmp_path):
    def start(folder):
        return subprocess.Popen([sys.executable, "-c", RUN, str(folder)], stderr=subprocess.DEVNULL)

    assert start(tmp_path / "whole").wait() == 0
    for wait_for in ("plan.json", "run1.safetensors"):
        folder = tmp_path / wait_for.split(".")[0]
        process = start(folder)
        while not (folder / wait_for).exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = {p.name: p.stat().st_mtime_ns for p in folder.glob("run*.safetensors")}
        assert not Path(f"{folder}.edges").exists()
        assert start(folder).wait() == 0
        assert {n: (folder / n).stat().st_mtime_ns for n in done} == done  # nothing that was finished is made again
        a, b = (pd.read_pickle(f"{f}.edges") for f in (folder, tmp_path / "whole"))
        pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_how_long_it_takes_is_said_first(pbmc68k, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.infer_grn(pbmc68k, SOME, **QUICK)
    lines = [m for m in caplog.messages if m.startswith("infer_grn") and "NEAT1" not in m]
    size = r"pairs of the prior to learn from \([\d,]+ known edges, and pairs without one\), then 18 transcription factors × 762 genes"
    assert re.search(size + r" of the data to score, 3 trainings of degree: about \d+ s", lines[0])
    assert "; 18 transcription factors × 762 genes scored, the 100 best targets of each" in lines[1]


def test_the_line_counts_the_transcription_factors_that_the_tables_hold(pbmc68k, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.infer_grn(pbmc68k, SOME, **{**QUICK, "min_expressed": 0.3})
    said, made = "\n".join(caplog.messages), pbmc68k.uns["sgt_grn"]
    n_tfs, n_new = made["edges"]["source"].nunique(), made["new_factors"]["source"].nunique()
    assert 0 < n_tfs < 18
    assert not set(made["new_factors"]["source"]) & set(
        SOME["source"]
    )  # a factor whose known targets are not measured is not new
    assert f"each of the {n_tfs} that enough cells express (min_expressed=0.3)" in said
    assert re.search(
        rf"\d+ more transcription factors are not in the prior; {n_new} of them, those that enough cells", said
    )


def test_a_device_is_looked_at_by_methods_that_need_none(pbmc68k):
    with pytest.raises(InputValueError, match="Device 'tpu' is not available"):
        sgt.tl.infer_grn(pbmc68k, SOME, device="tpu", method="pcc")


def test_the_same_seed_the_same_network(pbmc68k):
    quick = {"method": "scregnet", "n_runs": 1, "max_epochs": 3, "n_top": 10, "controls": False}
    a, b = (sgt.tl.infer_grn(pbmc68k, SOME, copy=True, **quick) for _ in range(2))
    pd.testing.assert_frame_equal(a.uns["sgt_grn"]["edges"], b.uns["sgt_grn"]["edges"])
    assert "sgt_grn" not in pbmc68k.uns


def test_options_in_the_old_argument_work_for_one_release(pbmc68k):
    quick = {"method": "spearman", "n_runs": 1, "n_top": 10, "controls": False}
    with pytest.warns(FutureWarning, match="pass the options of the method by name"):
        sgt.tl.infer_grn(pbmc68k, SOME, method_options={}, **quick)
    for given, says in (({"hiden": 3}, "no option 'hiden'"), ({"device": "cpu"}, "pass device= to infer_grn")):
        with pytest.warns(FutureWarning), pytest.raises(InputValueError, match=says):
            sgt.tl.infer_grn(pbmc68k, SOME, method_options=given, **quick)
    with pytest.warns(FutureWarning), pytest.raises(InputValueError, match="a is given by name and in method_options"):
        sgt.tl.infer_grn(pbmc68k, SOME, method_options={"a": 1}, a=1, **quick)
