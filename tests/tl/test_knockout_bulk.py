import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, LabelError, MissingKeyError, SgtWarning

TARGETS = ["IFNGR1", "IFNGR2", "JAK1", "JAK2", "CDK2", "CDK4", "CCND1", "CCNE1"]
GENES = [*TARGETS, *[f"GENE{i}" for i in range(52)]]


@pytest.fixture(scope="module")
def samples():
    """Eight targets, two replicates of knock-out and control each; interferon genes let other genes fall than genes of the cycle."""
    rng = np.random.default_rng(0)
    base, rows, obs = rng.uniform(30, 300, size=60), [], []
    for i, target in enumerate(TARGETS):
        factor = np.ones(60)
        factor[8 : 20 if i < 4 else 8] = 0.3
        factor[20 : 32 if i >= 4 else 20] = 3
        factor[i] = 0.05
        for replicate in range(2):
            for role, rate in (("control", base), ("knockout", base * factor)):
                rows.append(rng.poisson(rate))
                obs.append((f"e{i}", role, target, "xyz"[i % 3], replicate))
    table = pd.DataFrame(obs, columns=["experiment", "role", "target", "study", "replicate"])
    return ad.AnnData(
        np.array(rows, dtype=np.float32), table.set_index(table.index.astype(str)), pd.DataFrame(index=GENES)
    )


def test_it_writes_what_is_documented_and_nothing_else(samples, tmp_path):
    adata = samples.copy()
    assert sgt.tl.knockout_bulk(adata, query=["STAT1"]) is None
    assert changed(samples, adata) == {"uns['sgt_knockout']", "varm['sgt_knockout_change']"}
    found = adata.uns["sgt_knockout"]
    assert set(found) == {
        "probabilities", "changes", "evaluation", "paired", "per_experiment", "confusion", "calibration", "split", "verdict", "params",
    }  # fmt: skip
    assert found["probabilities"]["values"].shape == (1, 60, 3)
    assert list(found["probabilities"]["classes"]) == ["down", "unchanged", "up"]
    assert set(found["evaluation"].index) == {*sgt.perturbation.bulk.METHODS, "ceiling"} - {"cgc", "scgpt"}
    assert found["params"]["share_target_seen"] == 0
    for kind in ("h5ad", "zarr"):
        getattr(adata, f"write_{kind}")(tmp_path / f"a.{kind}")
        again = getattr(ad, f"read_{kind}")(tmp_path / f"a.{kind}").uns["sgt_knockout"]
        pd.testing.assert_frame_equal(again["evaluation"], found["evaluation"], check_dtype=False)
        np.testing.assert_array_equal(again["changes"]["values"], found["changes"]["values"])


def test_the_order_of_the_samples_decides_nothing(samples):
    rows = np.random.default_rng(1).permutation(samples.n_obs)
    one, moved = (
        sgt.tl.knockout_bulk(a, copy=True).uns["sgt_knockout"]["evaluation"] for a in (samples, samples[rows].copy())
    )
    pd.testing.assert_frame_equal(one, moved, rtol=1e-6)


def test_counting_is_above_the_frequency_and_hardly_goes_the_opposite_way(samples):
    out = sgt.tl.knockout_bulk(samples, copy=True).uns["sgt_knockout"]
    table = out["evaluation"]
    assert table.loc["counting", "auprc"] > table.loc["frequency", "auprc"] + out["paired"].loc["frequency", "auprc_se"]
    assert table.loc["counting", "auprc"] > 2 * table.loc["counting", "auprc_base"]
    assert table.loc["counting", "opposite"] < 0.05
    assert table.loc["unchanged", "accuracy"] == table.loc["unchanged", "accuracy_majority"]
    assert table.loc["ceiling", "macro_f1"] > 0.8
    assert out["confusion"]["absolute"].to_numpy().sum() == out["per_experiment"]["n"].sum()
    assert "a replicate says" in out["verdict"]


def test_five_classes_splits_by_study_and_both_and_the_seed(samples):
    how = {"classes": 5, "copy": True, "n_folds": 2}
    for split in ("unseen_study", "unseen_both", "random"):
        one = sgt.tl.knockout_bulk(samples, split=split, **how).uns["sgt_knockout"]
        assert one["confusion"]["by_row"].shape == (5, 5)
        assert one["params"]["share_study_seen"] == (1 if split == "random" else 0)
    again = sgt.tl.knockout_bulk(samples, split="random", **how).uns["sgt_knockout"]
    pd.testing.assert_frame_equal(one["evaluation"], again["evaluation"])


def test_fold_changes_as_of_knocktf(samples):
    controls, done = (
        samples[samples.obs["role"] == r].X.reshape(8, 2, 60).mean(axis=1) for r in ("control", "knockout")
    )
    obs = pd.DataFrame({"source": TARGETS}, index=[f"k{i}" for i in range(8)])
    adata = ad.AnnData(np.log2((done + 1) / (controls + 1)), obs, pd.DataFrame(index=GENES))
    out = sgt.tl.knockout_bulk(adata, copy=True).uns["sgt_knockout"]
    assert out["params"]["input"] == "log2 fold changes"
    assert out["evaluation"].loc["counting", "auprc"] > 1.5 * out["evaluation"].loc["counting", "auprc_base"]
    assert "no replicate, so no ceiling" in out["verdict"]
    with pytest.raises(MissingKeyError, match="target_key='gene' is no column of obs; the columns are: source"):
        sgt.tl.knockout_bulk(adata, target_key="gene")
    adata.layers["control"] = np.log1p(controls)
    again = sgt.tl.knockout_bulk(adata, copy=True, min_expression=50).uns["sgt_knockout"]
    assert again["per_experiment"]["n"].max() < 60
    for wrong, says in (
        (np.log1p(controls) - 30, "negative values"),
        (np.rint(controls), "counts or TPM it seems"),
        (controls + 0.5, "counts or TPM"),
    ):
        adata.layers["control"] = wrong
        with pytest.raises(InputValueError, match=f"holds .*{says}.*np.log1p"):
            sgt.tl.knockout_bulk(adata)


def test_tpm_logs_and_counts_are_one_thing(samples):
    counts = sgt.tl.knockout_bulk(samples, copy=True, evaluate=False, query="STAT1").uns["sgt_knockout"]
    scale = samples.X / samples.X.sum(axis=1, keepdims=True) * counts["params"]["scaled_to"]
    for x, holds in ((scale, "counts"), (np.log1p(scale), "log1p, undone")):
        out = sgt.tl.knockout_bulk(
            ad.AnnData(x, samples.obs, samples.var), evaluate=False, query="STAT1", copy=True
        ).uns["sgt_knockout"]
        assert out["params"]["matrix_holds"] == holds
        np.testing.assert_allclose(out["changes"]["values"], counts["changes"]["values"], atol=0.02)


def column(name, values):
    def spoil(a):
        a.obs[name] = values(a.obs) if callable(values) else values

    return spoil


def nothing(a):
    """Leave the object as it is."""


BAD = [
    (
        column("role", lambda o: o["role"].where(o["experiment"] != "e1", "knockout")),
        {},
        InputValueError,
        "'e1' has no control sample",
    ),
    (column("role", "treated"), {}, InputValueError, "never holds 'control'; it holds treated. Pass control="),
    (
        column("target", lambda o: np.where(np.arange(32) == 3, "TP53", o["target"])),
        {},
        InputValueError,
        "'e0' has several targets.*a control that several share stands once in each",
    ),
    (lambda a: setattr(a, "X", a.X * 0), {}, InputValueError, "No gene of any experiment counts as expressed"),
    (nothing, {"min_expression": 1e9}, InputValueError, r"are below 1e\+09 everywhere. Lower min_expression="),
    (lambda a: a.X.__setitem__((2, 3), -1), {}, InputValueError, "1 of 32 samples hold negative values: a microarray"),
    (lambda a: a.X.__setitem__((2, 3), np.nan), {}, InputValueError, "X holds NaN"),
    (lambda a: setattr(a, "var_names", ["GENE1", *GENES[1:]]), {}, InputValueError, "1 symbols stand more than once"),
    (
        nothing,
        {"role_key": "kind"},
        MissingKeyError,
        "obs has no column 'kind', so the rows would be log2 fold changes",
    ),
    (nothing, {"classes": 4}, InputValueError, "classes is 3 or 5; got 4"),
    (nothing, {"fold": 1.0}, InputValueError, "fold is a number above 1; got 1.0"),
    (nothing, {"split": "unseen"}, InputValueError, "split is 'unseen_target'"),
    (nothing, {"features": ["text"]}, InputValueError, "features holds 'text'"),
    (nothing, {"method": "count"}, InputValueError, "no knock-out method 'count'"),
    (nothing, {"query": [3]}, InputValueError, "query is a list of genes; it holds 3"),
    (
        column("role", lambda o: o["role"].where(np.arange(32) != 4, "Control")),
        {},
        InputValueError,
        r"holds 'control' and Control, which would count as knock-outs.*replace\('Control', 'control'\)",
    ),
    (
        lambda a: setattr(a, "X", np.log2(a.X / a.X.sum(1, keepdims=True) * 1e6 + 1)),
        {},
        InputValueError,
        r"looks like log2\(x \+ 1\).*adds up to 1,000,000",
    ),
    (column("study", lambda o: o["study"]), {"study_key": "lab"}, MissingKeyError, "study_key='lab' is no column"),
    (
        column("target", lambda o: o["target"].where(o["role"] == "control")),
        {},
        LabelError,
        "holds NaN or blank text in 16",
    ),
    (nothing, {"target_key": "gene"}, MissingKeyError, "target_key='gene' is no column of obs"),
    (column("study", "x"), {"split": "unseen_study"}, InputValueError, "All experiments are of one study"),
]


@pytest.mark.filterwarnings("ignore:Variable names are not unique")  # anndata's own, of a row above
@pytest.mark.parametrize(("spoil", "how", "error", "says"), BAD)
def test_bad_input_is_refused_in_words_and_nothing_is_written(samples, spoil, how, error, says):
    adata = samples.copy()
    spoil(adata)
    before = adata.copy()
    with pytest.raises(error, match=says):
        sgt.tl.knockout_bulk(adata, **how)
    assert changed(before, adata) == set()


def test_genes_of_two_organisms_are_refused():
    human, mouse = sgt.genes.transcription_factors("human")[:60], sgt.genes.transcription_factors("mouse")[:60]
    mixed = np.unique(np.r_[human, [m for m in mouse if m.upper() not in set(human)]])
    obs = pd.DataFrame({"target": ["A", "B"], "role": ["control", "knockout"], "experiment": "e"}, index=["0", "1"])
    adata = ad.AnnData(np.ones((2, len(mixed)), np.float32), obs, pd.DataFrame(index=mixed))
    with pytest.raises(InputValueError, match="The genes are of human and mouse"):
        sgt.tl.knockout_bulk(adata)


def test_what_is_odd_is_said(samples):
    with pytest.warns(SgtWarning, match="JAK1: knocked out in these experiments; .* has seen it"):
        sgt.tl.knockout_bulk(samples, query=["JAK1", "STAT1"], evaluate=False, copy=True)
    turned = samples.copy()
    turned.obs["role"] = turned.obs["role"].map({"control": "knockout", "knockout": "control"})
    with pytest.warns(SgtWarning, match=r"falls in 0 of the 8 experiments.*the right way round\?"):
        sgt.tl.knockout_bulk(turned, evaluate=False)
    scaled = ad.AnnData(
        samples.X * np.where(samples.obs["role"] == "control", 1.1, 9.3)[:, None], samples.obs, samples.var
    )
    with pytest.warns(SgtWarning, match="in 8 of 8 experiments; .*-fold. Were they normalised in two ways") as told:
        sgt.tl.knockout_bulk(scaled, evaluate=False)
    assert len(told) == 1
    unmeasured = samples[:, 8:].copy()
    out = sgt.tl.knockout_bulk(unmeasured, copy=True).uns["sgt_knockout"]
    assert out["params"]["n_target_measured"] == 0
    single = samples[samples.obs["replicate"] == 0].copy()
    assert "no replicate, so no ceiling" in sgt.tl.knockout_bulk(single, copy=True).uns["sgt_knockout"]["verdict"]
    silent = samples.copy()
    silent.X[:, 40:45] = 0
    out = sgt.tl.knockout_bulk(silent, copy=True).uns["sgt_knockout"]
    assert out["params"]["n_genes_without_values"] == 5
    assert out["per_experiment"]["n"].max() == 54


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "sparse"])
def test_a_backed_object_is_read(samples, form, tmp_path):
    ad.AnnData(form(samples.X), samples.obs, samples.var).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    found = [sgt.tl.knockout_bulk(a, copy=True).uns["sgt_knockout"]["evaluation"] for a in (samples, backed)]
    backed.file.close()
    pd.testing.assert_frame_equal(*found)


def test_a_target_that_no_source_knows_is_named(samples):
    with pytest.warns(
        SgtWarning, match="ZZZ9: not known to Gene Ontology and the prior network; the prediction is what"
    ):
        sgt.tl.knockout_bulk(samples, query=["STAT1", "ZZZ9"], evaluate=False, features=["go", "prior"], copy=True)
    with pytest.warns(SgtWarning, match="STAT1: not known to any source"):
        sgt.tl.knockout_bulk(samples, query="STAT1", evaluate=False, features=["expression"], copy=True)


def test_a_control_has_no_target(samples):
    without = samples.copy()
    without.obs["target"] = without.obs["target"].where(without.obs["role"] != "control")
    found = [sgt.tl.knockout_bulk(a, copy=True).uns["sgt_knockout"]["evaluation"] for a in (samples, without)]
    pd.testing.assert_frame_equal(*found)


def test_several_roles_are_said(samples):
    mixed = samples.copy()
    mixed.obs["role"] = np.where(np.arange(32) == 3, "overexpression", mixed.obs["role"])
    with pytest.warns(SgtWarning, match="1 of 8 experiments hold samples of several roles.* 'e0' is one"):
        sgt.tl.knockout_bulk(mixed, evaluate=False)


IDS = {
    "IFNGR1": "ENSG00000027697", "IFNGR2": "ENSG00000159128", "JAK1": "ENSG00000162434", "JAK2": "ENSG00000096968",
    "CDK2": "ENSG00000123374", "CDK4": "ENSG00000135446", "CCND1": "ENSG00000110092", "CCNE1": "ENSG00000105173",
}  # fmt: skip


def _target_in_lower_case(adata):
    adata.obs["target"] = adata.obs["target"].str.lower()


def _target_by_id(adata):
    adata.obs["target"] = adata.obs["target"].map(IDS)


def _gene_by_id(adata):
    adata.var_names = [IDS.get(g, g) for g in adata.var_names]


@pytest.mark.parametrize("respelled", [_target_in_lower_case, _target_by_id, _gene_by_id])
def test_a_target_is_its_gene_in_every_spelling(samples, respelled):
    other = samples.copy()
    respelled(other)
    one, same = (sgt.tl.knockout_bulk(a, copy=True).uns["sgt_knockout"] for a in (samples, other))
    assert same["params"]["n_target_measured"] == same["params"]["n_target_falls"] == 8
    assert (same["evaluation"]["n"] == one["evaluation"]["n"]).all()  # the target itself does not count
    np.testing.assert_array_equal(same["changes"]["genes"], other.var_names)
    if respelled is _gene_by_id:  # the names of targets decide the folds
        pd.testing.assert_frame_equal(one["evaluation"], same["evaluation"], rtol=1e-6)


def test_dask_is_read(samples):
    da = pytest.importorskip("dask.array")
    lazy = ad.AnnData(da.from_array(sp.csr_matrix(samples.X), chunks=(5, 60)), samples.obs, samples.var)
    found = [sgt.tl.knockout_bulk(a, copy=True).uns["sgt_knockout"]["evaluation"] for a in (samples, lazy)]
    pd.testing.assert_frame_equal(*found)


def test_of_one_target_nobody_says_who_wins(samples):
    one = samples[samples.obs["experiment"].isin(["e0", "e1"])].copy()
    one.obs["target"] = "IFNG"
    out = sgt.tl.knockout_bulk(one, split="random", n_folds=2, copy=True)
    assert "cannot be told, by so few, from the best baseline" in out.uns["sgt_knockout"]["verdict"]
