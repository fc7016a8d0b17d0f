import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GraphError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools.grn.evaluate import short


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    tfs, targets = [f"T{i}" for i in range(12)], [f"g{i}" for i in range(60)]
    return pd.DataFrame([(a, b) for a in tfs for b in targets if rng.random() < 0.25], columns=["source", "target"])


def noisy(truth, noise, seed=1):
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame([(f"T{i}", f"g{j}") for i in range(12) for j in range(60)], columns=["TF", "target"])
    edge = pd.MultiIndex.from_frame(pairs).isin(pd.MultiIndex.from_frame(truth))
    return pairs.assign(importance=edge + noise * rng.normal(size=len(pairs)))


def test_a_table_of_another_tool_beside_the_baselines(truth):
    e = sgt.tl.evaluate_grn(noisy(truth, 0.5), truth, bootstrap=50)
    assert list(e.table.index) == ["edges", "degree", "collaborative"]
    assert e.table.loc["edges", "auroc"] > 0.8 > e.table.loc["degree", "auroc"]
    assert e.table.loc["edges", "auroc_low"] < e.table.loc["edges", "auroc"] < e.table.loc["edges", "auroc_high"]
    assert (
        e.candidates == "12 sources of the truth that the edges could name × 72 genes; edges names 84.5% of the pairs"
    )
    assert len(e.pairs) == 12 * 71
    assert e.pairs["label"].sum() == len(truth)
    assert "edges beats the best baseline" in e.verdict
    assert "candidates: 12 sources" in repr(e)


def test_order_and_case_of_names_decide_nothing(truth):
    edges, names = noisy(truth, 0.5), pd.unique(truth.to_numpy().ravel())
    mixed = {
        "edges": edges.sample(frac=1, random_state=1).assign(TF=lambda t: t["TF"].str.lower(), target=lambda t: t["target"].str.upper()),
        "truth": truth.sample(frac=1, random_state=2),
        "genes": names[::-1],
    }  # fmt: skip
    one = sgt.tl.evaluate_grn(edges, truth, genes=names, bootstrap=0)
    other = sgt.tl.evaluate_grn(**mixed, bootstrap=0)
    pd.testing.assert_frame_equal(one.table, other.table)
    with pytest.raises(InputValueError, match="asked for none has a score"):
        sgt.pl.grn_evaluation(one, rows=[])


def test_several_tables_share_the_pairs_and_what_is_not_named_comes_last(truth):
    good = noisy(truth, 0.3)
    short = good.sort_values("importance", ascending=False).head(100)
    e = sgt.tl.evaluate_grn({"whole": good, "short": short}, truth, bootstrap=0)
    assert len(e.verdict.splitlines()) == 2
    assert e.table["n"].nunique() == 1
    tail = e.pairs.merge(short, left_on=["tf", "target"], right_on=["TF", "target"], how="left")["importance"].isna()
    assert e.pairs.loc[tail.to_numpy(), "short"].nunique() == 1
    assert e.pairs.loc[tail.to_numpy(), "short"].max() < short["importance"].min()


def test_counting_is_fitted_out_of_fold_and_on_training_pairs_where_there_are_some(truth):
    labelled = noisy(truth, 0).rename(columns={"TF": "tf"}).assign(label=lambda t: t["importance"].astype(int))
    held = np.random.default_rng(2).random(len(labelled)) < 0.4
    e = sgt.tl.evaluate_grn(noisy(truth, 1.0), labelled[held], train=labelled[~held], bootstrap=0)
    assert len(e.pairs) == held.sum()
    assert e.table.loc["degree", "uses"] == "labels of training pairs"
    own = sgt.models.link_predictor("degree").fit(labelled[~held]).score(e.pairs)
    np.testing.assert_allclose(e.pairs["degree"], own)
    alone = sgt.tl.evaluate_grn(noisy(truth, 1.0), labelled[held], bootstrap=0)
    # labels drawn evenly: counts of other pairs say next to nothing, and a pair does not count for itself
    assert alone.table.loc["degree", "auroc"] < 0.65
    overlap = sgt.tl.evaluate_grn(noisy(truth, 1.0), labelled, train=labelled[~held], bootstrap=0)
    assert len(overlap.pairs) == held.sum()


@pytest.mark.slow
def test_a_network_of_infer_grn_is_not_judged_by_what_it_was_trained_on(pbmc68k):
    quick = {"method": "degree", "n_runs": 1, "controls": False}
    sgt.tl.infer_grn(pbmc68k, **quick)
    before = pbmc68k.copy()
    with pytest.raises(GraphError, match="all 47 edges were seen in training"):
        pbmc68k.sgt.evaluate_grn()
    e = pbmc68k.sgt.evaluate_grn(exclude_known=False, bootstrap=0)
    assert list(e.table.index) == ["degree (edges)", "degree", "collaborative", "pcc"]
    assert changed(before, pbmc68k) == set()
    prior = genes.prior().sample(frac=0.5, random_state=0)
    sgt.tl.infer_grn(pbmc68k, prior, **quick)
    half = sgt.tl.evaluate_grn(pbmc68k, bootstrap=0)
    assert 0 < half.pairs["label"].sum() < 55
    assert "pairs of training" in half.candidates


@pytest.mark.slow
def test_the_network_of_a_group_is_judged_on_what_it_could_name(pbmc68k):
    pbmc68k.obs["b"] = np.where(pbmc68k.obs["bulk_labels"] == "CD19+ B", "B", "other")
    sgt.tl.infer_grn(pbmc68k, method="degree", n_runs=1, groupby="b", min_expressed=0.3, controls=False)
    with pytest.raises(GraphError, match="edges were seen in training"):  # not those of genes that the group lacks
        sgt.tl.evaluate_grn(pbmc68k, group="B", bootstrap=0)
    tfs = pbmc68k.uns["sgt_grn"]["edges"]["source"].unique()
    pairs = pd.MultiIndex.from_product([tfs, pbmc68k.var_names], names=["source", "target"]).to_frame(index=False)
    other = pairs.sample(frac=0.1, random_state=0)
    judged = sgt.tl.evaluate_grn(pbmc68k, other, group="B", bootstrap=0)
    expressed = np.asarray((pbmc68k.raw.X[(pbmc68k.obs["b"] == "B").to_numpy()] > 0).mean(axis=0)).ravel()
    known = set(genes.canonical_symbols(pbmc68k.raw.var_names[expressed >= 0.3].to_numpy(), organism="human"))
    assert set(judged.pairs["target"]) <= known
    assert len(set(judged.pairs["target"])) > 0.9 * len(known)
    assert judged.table["density"].iloc[0] == pytest.approx(0.1, abs=0.03)


@pytest.mark.slow
def test_a_group_is_meant_by_its_number_or_its_text(pbmc68k):
    pbmc68k.obs["b"] = (pbmc68k.obs["bulk_labels"] == "CD19+ B").astype(int)
    sgt.tl.infer_grn(pbmc68k, method="degree", n_runs=1, groupby="b", min_expressed=0.3, controls=False)
    how = {"exclude_known": False, "bootstrap": 0}
    one, other = (sgt.tl.evaluate_grn(pbmc68k, group=g, **how) for g in (1, "1"))
    pd.testing.assert_frame_equal(one.pairs, other.pairs)


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.500"), (0.0123, "0.012"), (0.0004, "0.0004"), (0.0, "0.000")])
def test_a_small_metric_is_not_shown_as_nothing(value, shown):
    assert short(value) == shown


@pytest.mark.parametrize(
    ("edges", "says"), [({"a": [1]}, "edges\\['a'\\] is a table"), ("a.h5ad", "a dict of tables; got a path")]
)
def test_what_are_no_edges(edges, says):
    with pytest.raises(InputTypeError, match=says):
        sgt.tl.evaluate_grn(edges)


def test_names_of_other_kinds_meet():
    truth = pd.DataFrame({"source": ["GATA1", "GATA1", "SPI1"], "target": ["KLF1", "HBB", "CSF1R"]})
    ids = {v: k for k, v in genes.tables.symbol_of_id().items() if v in {"GATA1", "SPI1", "KLF1", "HBB", "CSF1R"}}
    edges = pd.DataFrame(
        [(ids[a], ids[b], s) for a, b, s in [("GATA1", "KLF1", 3.0), ("SPI1", "HBB", 2.0), ("GATA1", "CSF1R", 1)]]
    )
    e = sgt.tl.evaluate_grn(
        edges.set_axis(["Gene1", "Gene2", "EdgeWeight"], axis=1), truth, genes=list(ids), bootstrap=0
    )
    assert len(e.pairs) == 8
    assert e.pairs["label"].sum() == 3


def test_a_truth_in_another_case_with_other_columns_and_in_a_file(truth, tmp_path):
    low = truth.apply(lambda names: names.str.upper()).set_axis(["Gene1", "Gene2"], axis=1)
    low.to_csv(tmp_path / "net.csv", index=False)
    edges = noisy(truth, 0.5)
    edges.to_csv(tmp_path / "adj.tsv", sep="\t", index=False)
    one, two = sgt.tl.evaluate_grn(edges, truth, bootstrap=0), sgt.tl.evaluate_grn(edges, low, bootstrap=0)
    three = sgt.tl.evaluate_grn(tmp_path / "adj.tsv", tmp_path / "net.csv", bootstrap=0)
    four = sgt.tl.evaluate_grn(edges, low.assign(label=1), bootstrap=0)  # without other pairs it is a network
    for other in (two, three, four):
        np.testing.assert_allclose(other.table["auroc"].astype(float), one.table["auroc"].astype(float))


@pytest.mark.slow
def test_ids_with_a_key_of_symbols(pbmc68k):
    pbmc68k.raw.var["symbol"] = pbmc68k.raw.var_names
    pbmc68k.var["symbol"] = pbmc68k.var_names
    other = ad.AnnData(pbmc68k.raw.X, obs=pbmc68k.obs, var=pbmc68k.raw.var)
    other.var_names = [f"id{i}" for i in range(other.n_vars)]
    half = genes.prior().sample(frac=0.3, random_state=0)
    for a, key in ((pbmc68k, None), (other, "symbol")):
        sgt.tl.infer_grn(a, half, method="degree", n_runs=1, gene_key=key, controls=False)
    assert other.uns["sgt_grn"]["edges"]["source"].str.startswith("id").all()
    one, two = (sgt.tl.evaluate_grn(a, bootstrap=0).table["auroc"].astype(float) for a in (pbmc68k, other))
    assert two["degree (edges)"] == pytest.approx(one["degree (edges)"], abs=0.01)


@pytest.mark.parametrize(
    ("edges", "network", "error", "says"),
    [
        (pd.DataFrame({"a": [1]}), None, InputValueError, r"a column each for source \(source, tf"),
        (pd.DataFrame({"tf": ["T0"], "target": ["g1"], "score": ["high"]}), None, InputValueError, "holds 'high'"),
        (pd.DataFrame({"tf": ["T0"], "target": ["T0"], "score": [1]}), None, InputValueError, "no edge between two genes"),
        (pd.DataFrame({"tf": ["X"], "target": ["Y"], "score": [1]}), None, GraphError, "There is nothing to judge: 0 of 0"),
        (None, "colectri", MissingKeyError, "truth='colectri' is neither .*Did you mean 'collectri'"),
        (None, pd.DataFrame({"tf": ["T0"], "target": ["g0"], "label": [0]}), GraphError, "0 of 1 pairs are edges"),
        (None, pd.DataFrame({"tf": ["T0"], "target": ["g0"], "label": [2]}), InputValueError, "Labels are 0 and 1"),
        (None, pd.DataFrame({"a": ["T0"]}), GraphError, "source, target is missing"),
        (None, pd.DataFrame({"source": ["T0"], "target": ["g0"], "weight": ["x"]}), GraphError, "weights of a prior"),
        ({}, None, InputValueError, "mapping is empty"),
        (ad.AnnData(np.ones((2, 2))), None, MissingKeyError, "holds no network"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged(truth, edges, network, error, says):
    with pytest.raises(error, match=says):
        sgt.tl.evaluate_grn(noisy(truth, 0.5) if edges is None else edges, truth if network is None else network)


def test_an_organism_without_tables_is_refused(truth):
    with pytest.raises(InputValueError, match="organism is 'human' or 'mouse'; got 'rat'"):
        sgt.tl.evaluate_grn(noisy(truth, 0.5), truth, organism="rat")


def test_a_truth_that_is_not_tidy(truth):
    messy = pd.concat([truth, truth.head(9), truth.rename(columns={"source": "target", "target": "source"}).head(5)])
    messy = pd.concat([messy, pd.DataFrame({"source": ["T0", None], "target": ["T0", "g1"]})], ignore_index=True)
    clean, other = (
        sgt.tl.evaluate_grn(noisy(truth, 0.5), t, tfs=[f"T{i}" for i in range(12)], bootstrap=0) for t in (truth, messy)
    )
    pd.testing.assert_frame_equal(clean.table, other.table)


@pytest.fixture(scope="module")
def screen(truth):
    """Cells in which T0 or T1 was perturbed, whose targets are lower there, and control cells."""
    rng = np.random.default_rng(0)
    names = [f"T{i}" for i in range(12)] + [f"g{i}" for i in range(60)]
    done = np.repeat(["non-targeting", "T0", "T1", "g3"], 60)
    rate = np.tile(rng.lognormal(1, 0.5, len(names)), (240, 1))
    for tf in ("T0", "T1"):
        targets = [names.index(t) for t in truth.loc[truth["source"] == tf, "target"]]
        rate[np.ix_(done == tf, targets)] *= 0.5
    adata = ad.AnnData(rng.poisson(rate).astype(np.float32), var=pd.DataFrame(index=names))
    adata.obs["guide"] = done
    return sgt.tl.grn_from_edges(adata, truth.assign(weight=1.0), copy=True)


def test_perturbed_cells_judge_a_network_without_a_truth(screen, truth):
    e = sgt.tl.evaluate_grn(screen, truth, perturbation_key="guide", bootstrap=0)
    own = e.response[e.response["network"] != "pcc"]
    assert own["factor"].tolist() == ["T0", "T1"]
    assert (own["auroc"] > 0.75).all()
    assert (own["p"] < 0.1).all()
    assert set(e.response["network"]) == {own["network"].iloc[0], "pcc"}
    assert "perturbed cells: how often a target moves further than another gene" in e.verdict
    assert "e_others" in repr(e)
    assert sgt.tl.evaluate_grn(screen, truth, bootstrap=0).response is None


def test_of_many_perturbed_cells_the_same_are_drawn_in_any_order(screen, truth, monkeypatch):
    monkeypatch.setattr("scgnn_tools.grn.response.MOST_CELLS", 40)
    rows = np.random.default_rng(1).permutation(screen.n_obs)
    one, moved = (
        sgt.tl.evaluate_grn(cells, truth, perturbation_key="guide", bootstrap=0).response
        for cells in (screen, screen[rows].copy())
    )
    pd.testing.assert_frame_equal(one, moved)


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"perturbation_key": "nothing"}, MissingKeyError, "nothing"),
        ({"perturbation_key": "guide", "control": "T9"}, InputValueError, "T9"),
        ({"perturbation_key": "without control"}, InputValueError, "control"),
        ({"perturbation_key": "other"}, InputValueError, "is a factor of the network"),
    ],
)
def test_perturbed_cells_that_cannot_judge(screen, truth, more, error, says):
    adata = screen.copy()
    adata.obs["without control"] = np.repeat(["T0", "T1"], 120)
    adata.obs["other"] = np.repeat(["non-targeting", "g1", "g2", "g3"], 60)
    with pytest.raises(error, match=says):
        sgt.tl.evaluate_grn(adata, truth, bootstrap=0, **more)


def test_a_table_has_no_perturbed_cells(truth):
    with pytest.raises(InputValueError, match="grn_from_edges"):
        sgt.tl.evaluate_grn(noisy(truth, 0.5), truth, perturbation_key="guide", bootstrap=0)


def test_genes_are_a_list_one_name_or_a_file(truth, tmp_path):
    table = noisy(truth, 0.1)
    names = pd.unique(table["target"])
    (tmp_path / "genes.txt").write_text("\n".join(names))
    one, other = (
        sgt.tl.evaluate_grn(table, truth, genes=g, bootstrap=0).candidates for g in (names, tmp_path / "genes.txt")
    )
    assert one == other
    for bad, says in (
        ({"genes": 3}, "genes is a list of names"),
        ({"group": "B"}, "group= names a group of the network"),
    ):
        with pytest.raises((InputTypeError, InputValueError), match=says):
            sgt.tl.evaluate_grn(table, truth, **bad)
