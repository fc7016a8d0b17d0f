import json
import re
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import InputTypeError, InputValueError, LabelError, SgtWarning, WeightsError
from scgnn_tools.annotation import Annotator, kept
from scgnn_tools.fm import saves

QUICK = {"method": "logreg_pca"}
TREE = {
    "B cell": "lymphocyte",
    "CD4 T cell": "T cell",
    "CD8 T cell": "T cell",
    "T cell": "lymphocyte",
    "NK cell": "lymphocyte",
}


@pytest.fixture(scope="module")
def halves():
    """Every sixteenth cell of the reference that ships over its 999 strongest genes, and others of it as a query."""
    reference = assets.immune_reference()
    total = np.asarray(reference.X.sum(axis=0)).ravel()
    reference = reference[reference.obs["cell_type"] != "Platelet", total > np.sort(total)[-1000]].copy()
    query = reference[4::32].copy()
    query.obs = query.obs[[]]
    return reference[::16].copy(), query


@pytest.fixture(scope="module")
def made(halves):
    return Annotator.fit(halves[0], "cell_type", **QUICK)


def fields(adata, key="sgt_label"):
    return adata.obs.filter(like=key), adata.obsm[f"{key}_proba"], adata.obsm.get(f"{key}_set"), adata.uns[key]


def same(one, other):
    for a, b in zip(fields(one)[:3], fields(other)[:3], strict=True):
        pd.testing.assert_frame_equal(a, b, check_exact=False, atol=1e-4)
    assert fields(one)[3]["verdict"] == fields(other)[3]["verdict"]
    for table in ("evaluation", "calibration", "confusion"):
        a, b = (f[3][table].drop(columns="seconds", errors="ignore") for f in (fields(one), fields(other)))
        pd.testing.assert_frame_equal(a, b, check_index_type=False)
    assert fields(one)[3]["conformal"] == fields(other)[3]["conformal"]


@pytest.mark.parametrize(
    "how",
    [
        {"method": "centroid", "unknown": None, "coverage": 0.8, "conformal": "class", "rng": 3},
        {"method": "logreg_pca", "hierarchy": TREE, "min_confidence": 0.95},
        {"method": "scgrapht", "max_epochs": 5, "pathway": "P2"},
        {"method": "auto", "members": ("centroid", "logreg_pca")},
    ],
    ids=lambda how: how["method"],
)
def test_a_kept_annotator_writes_what_the_call_writes(halves, how, tmp_path):
    reference, query = halves
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*have no parent in the hierarchy", category=SgtWarning)
        called = sgt.tl.annotate(query, "cell_type", reference=reference, copy=True, **how)
        Annotator.fit(reference, "cell_type", **how).save(tmp_path / "ann")
        same(called, Annotator.load(tmp_path / "ann").annotate(query, copy=True))
        same(called, sgt.tl.annotate(query, reference=str(tmp_path / "ann"), copy=True))
    assert json.loads((tmp_path / "ann" / "config.json").read_text())["seal"]


def test_members_are_names(halves):
    with pytest.raises(InputTypeError, match="members is a text or a list of them; got 3"):
        Annotator.fit(halves[0], "cell_type", members=3)


@pytest.mark.parametrize("member", ["scanvi", "cgc", "scbignn"])
def test_an_ensemble_that_cannot_be_kept_is_refused_before_it_is_trained(halves, member):
    with pytest.raises(InputValueError, match=f"The member {member} .* cannot be kept"):
        Annotator.fit(halves[0], "cell_type", members=("centroid", member))


def test_params_hold_every_option_as_it_held(halves, tmp_path):
    reference, query = halves
    given = {"method": "scgrapht", "protocol": "paper", "scheme": "EL", "max_epochs": 3, "n_genes": 50, "patience": 2}
    out = sgt.tl.annotate(query, "cell_type", reference=reference, rng=7, copy=True, **given)
    out.write_h5ad(tmp_path / "out.h5ad")
    params = ad.read_h5ad(tmp_path / "out.h5ad").uns["sgt_label"]["params"]
    options = params["options"]
    assert (params["seed"], params["coverage"], params["conformal"]) == (7, "0.9", "marginal")
    assert options["protocol"] == "paper"
    assert options["scheme"] == "embedding+logits"
    assert (options["lam"], options["lam_taken"], options["patience"]) == (0.7, 0.7, 2)
    assert (options["fuse"], options["pathway"], options["gene_inputs"]) == ("prob", "GC-CG", "vectors")
    sgt.tl.annotate(out, "cell_type", reference=reference, members=("centroid", "logreg_pca"))
    options = out.uns["sgt_label"]["params"]["options"]
    assert list(options["members"]) == ["centroid", "logreg_pca"]
    assert sum(options["weight_of"].values()) == pytest.approx(1)
    assert set(options["options_of"]) == {"centroid", "logreg_pca"}


def test_nothing_of_an_earlier_call_is_left(halves):
    reference, query = halves
    query = query.copy()
    sgt.tl.annotate(query, "cell_type", reference=reference, members=("centroid", "logreg_pca"), majority=True)
    assert {"sgt_label_agreement", "sgt_label_majority", "sgt_label_novelty"} <= set(query.obs)
    sgt.tl.annotate(query, "cell_type", reference=reference, method="centroid", unknown=None, coverage=None)
    assert set(query.obs) == {"sgt_label", "sgt_label_confidence", "sgt_label_reason"}
    assert set(query.obsm) == {"sgt_label_proba"}


def test_an_ensemble_says_how_many_members_agree_and_is_weighed_by_experiments(halves, caplog, tmp_path):
    reference, query = halves
    reference = reference[~reference.obs["cell_type"].isin(["Dendritic cell", "FCGR3A+ monocyte"])].copy()
    reference.obs["third"] = np.arange(reference.n_obs) % 3  # of two experiments none is held out for the weights
    ann = Annotator.fit(
        reference, "cell_type", method="auto", members=("centroid", "logreg_pca"), batch_key="third", unknown=None
    )
    assert ann.labeller.method.weighed_on == "experiments"
    table = ann.labeller.report.evaluation
    parts = table[table["kind"] == "part"]
    assert list(parts.index) == ["auto: centroid", "auto: logreg_pca"]
    assert (parts["n"] == table.loc["auto", "n"]).all()
    with caplog.at_level("INFO", logger="scgnn_tools"):
        agreement = ann.annotate(query, copy=True).obs["sgt_label_agreement"]
        ann.annotate(query, store=tmp_path / "labels.zarr")
    assert caplog.text.count(f"all 2 methods agree on {(agreement == 1).sum()} of {len(query)} cells") == 2
    assert set(agreement.unique()) <= {0.0, 0.5, 1.0}
    assert agreement.dtype == np.float32


def test_a_query_of_fewer_genes_is_labelled_over_those_that_both_have(halves, made, caplog):
    reference, query = halves
    some = query[:, 400:].copy()
    called = sgt.tl.annotate(some, "cell_type", reference=reference, copy=True, **QUICK)
    same(called, made.annotate(some, copy=True))
    with caplog.at_level("INFO", logger="scgnn_tools"):
        assert made.annotate(some, copy=True).uns["sgt_label"]["params"]["trained_for_this_query"]
    (line,) = [m for m in caplog.messages if "trained again" in m]
    share = 1 - reference.X[:, 400:].sum() / reference.X.sum()
    assert re.search(r"on [\d,]+ shared genes: the query lacks (\d+) %", line)[1] == f"{100 * share:.0f}"
    total = np.asarray(reference.X.sum(axis=0)).ravel()
    most = query[:, total > np.quantile(total, 0.02)].copy()
    kept_as_it_is = made.annotate(most, copy=True)
    assert not kept_as_it_is.uns["sgt_label"]["params"]["trained_for_this_query"]
    exact = made.annotate(most, retrain=True, copy=True)
    same(exact, sgt.tl.annotate(most, "cell_type", reference=reference, copy=True, **QUICK))
    assert (exact.obs["sgt_label"].astype(str) == kept_as_it_is.obs["sgt_label"].astype(str)).mean() > 0.9


@pytest.mark.parametrize("log", [False, True])
def test_cells_of_the_query_are_left_out_of_the_reference(halves, made, log, caplog):
    reference, _ = halves
    query = reference[:60].copy()
    query.obs = query.obs[[]]
    if log:
        from scgnn_tools.data.normalize import log_normalize

        query.X = log_normalize(sp.csr_array(query.X))
    with caplog.at_level("INFO", logger="scgnn_tools"):
        got = made.annotate(query, copy=True)
    assert sorted(got.uns["sgt_label"]["params"]["left_out"]) == sorted(reference.obs_names[:60])
    assert "60 more are cells of the query and were left out: " in caplog.text
    other = sgt.tl.annotate(query, "cell_type", reference=reference[60:].copy(), copy=True, **QUICK)
    pd.testing.assert_frame_equal(got.obs, other.obs)


def test_a_query_that_is_the_reference_is_refused(halves, made):
    with pytest.raises(LabelError, match=r"All .* cells of the reference are cells of the query"):
        made.annotate(halves[0].copy())


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_queries_and_references_may_be_files(halves, made, kind, tmp_path):
    reference, query = halves
    for name, adata in (("query", query), ("reference", reference)):
        getattr(adata, f"write_{kind}")(tmp_path / f"{name}.{kind}")
    got = made.annotate(tmp_path / f"query.{kind}")
    same(got, made.annotate(query, copy=True))
    assert not sp.issparse(got.X)
    same(got, sgt.tl.annotate(query, "cell_type", reference=tmp_path / f"reference.{kind}", copy=True, **QUICK))


def test_markers_of_a_class_are_its_genes(made):
    table = made.markers(5)
    assert list(table.columns) == ["class", "gene", "mean", "others", "difference", "share"]
    assert {"CD79A", "MS4A1"} & set(table.loc[table["class"] == "B cell", "gene"])
    assert (table.groupby("class").size() <= 5).all()
    assert table["share"].between(0, 1).all()


def test_what_cannot_be_kept_is_refused_by_name(halves, tmp_path):
    with pytest.raises(InputValueError, match="scbignn learns from the cells that it labels"):
        Annotator.fit(halves[0], "cell_type", method="scbignn")
    with pytest.raises(InputValueError, match="no annotation method 'nothing'"):
        Annotator.fit(halves[0], "cell_type", method="nothing")


def test_arguments_of_a_training_that_is_over_are_refused(halves, made):
    with pytest.raises(InputValueError, match="coverage=, rng=, labels_key= belongs to the training"):
        sgt.tl.annotate(halves[1].copy(), "cell_type", reference=made, coverage=0.5, rng=3)
    with pytest.raises(InputTypeError, match="resume is True or False; got 'a'"):
        made.annotate(halves[1].copy(), resume="a")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 0}, "another version of scgnn_tools"),
        ({"model": {"name": "cgc-mini", "sha256": "0"}}, "another version of the bundled model"),
        ({"class": "ScGraPhT"}, "an Annotator was asked for"),
        ({"names": []}, "no annotator that Annotator.save wrote"),
        ({"classes": ["one"]}, "gives no probability to each of its classes"),
        ({"settings": {"coverage": 2}}, "coverage is a number above 0 and below 1"),
        ({"settings": {"seed": None}}, "its seed is no whole number"),
    ],
)
def test_another_version_or_damage_is_an_error(made, change, says, tmp_path):
    made.save(tmp_path / "ann")
    with pytest.raises(InputValueError, match="is there already"):
        made.save(tmp_path / "ann")
    about = json.loads((tmp_path / "ann/config.json").read_text())
    change = {k: {**about[k], **v} if k == "settings" else v for k, v in change.items()}
    saves.seal(tmp_path / "ann", about | change)
    with pytest.raises(WeightsError, match=says):
        Annotator.load(tmp_path / "ann")
    made.save(tmp_path / "ann", overwrite=True)
    data = bytearray((tmp_path / "ann/model.safetensors").read_bytes())
    data[-3] ^= 1
    (tmp_path / "ann/model.safetensors").write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="damaged"):
        Annotator.load(tmp_path / "ann")


def test_a_function_is_nothing_that_a_file_can_hold(made, tmp_path):
    from dataclasses import replace

    odd = Annotator(made.known, replace(made.settings, options={"logits": print}), "reference", made.labeller)
    with pytest.raises(InputValueError, match="No file can hold logits="):
        odd.save(tmp_path / "ann")
    assert not kept.is_kept(tmp_path / "ann")


def test_the_references_that_ship_have_cards():
    cards = sgt.annotation.list()
    assert cards["bundled"].tolist() == [True] + [False] * (len(cards) - 1)
    assert cards.loc["immune", "cells"] == assets.immune_reference().n_obs
    assert cards.loc["immune", "licence"] == "CC BY 4.0"
    assert set(cards.loc["immune", "classes"].split(", ")) == set(assets.immune_reference().obs["cell_type"])


def test_the_bundled_reference_goes_by_its_name(halves, monkeypatch):
    monkeypatch.setattr(assets, "immune_reference", lambda: halves[0].copy())
    query = halves[0][::2].copy()
    sgt.tl.annotate(query, reference="immune", method="centroid")
    assert len(query.uns["sgt_label"]["params"]["left_out"]) == query.n_obs


def test_backed_is_as_in_memory(halves, made, tmp_path):
    halves[1].write_h5ad(tmp_path / "q.h5ad")
    backed = ad.read_h5ad(tmp_path / "q.h5ad", backed="r")
    assert made.annotate(backed) is None
    same(backed, made.annotate(halves[1], copy=True))


def test_batches_of_a_reference_are_held_out_whole(halves, tmp_path):
    reference, query = halves
    with pytest.warns(SgtWarning, match="2 classes are in one experiment only"):
        ann = Annotator.fit(reference, "cell_type", batch_key="dataset", **QUICK)
    ann.save(tmp_path / "ann")
    got = Annotator.load(tmp_path / "ann").annotate(query, copy=True).uns["sgt_label"]
    assert got["params"]["held_out"] == "experiments"
    assert "experiments that it had not seen" in got["verdict"]
    assert "lowest_accuracy" in got["evaluation"]
    with pytest.raises(InputValueError, match="batch_key= belongs to the training"):
        sgt.tl.annotate(query, reference=ann, batch_key="dataset")


def test_batches_of_an_object_with_some_labels(halves):
    partly = halves[0].copy()
    partly = partly[~partly.obs["cell_type"].isin(["Dendritic cell", "FCGR3A+ monocyte"])].copy()
    partly.obs["cell_type"] = partly.obs["cell_type"].astype(object).where(np.arange(partly.n_obs) % 4 > 0)
    sgt.tl.annotate(partly, batch_key="dataset", **QUICK)
    assert partly.uns["sgt_label"]["params"]["held_out"] == "experiments"
    with pytest.raises(InputValueError, match="names one experiment; at least two"):
        sgt.tl.annotate(partly[partly.obs["dataset"] == "pbmc3k"].copy(), batch_key="dataset", **QUICK)


def test_the_bare_call_backs_off_to_a_parent(halves, monkeypatch):
    """Cells between CD4 and CD8 are T cells; an annotator of the bundled reference knows what is above its labels, too."""
    monkeypatch.setattr(assets, "immune_reference", lambda: halves[0].copy())
    query = halves[1].copy()
    sgt.tl.annotate(query, min_confidence=0.95, unknown=None, **QUICK)
    labels = query.obs["sgt_label"].astype(str)
    assert "T cell" in set(labels)
    assert set(query.obs.loc[labels == "T cell", "sgt_label_ontology_term_id"]) == {"CL:0000084"}
    same(query, Annotator.fit(min_confidence=0.95, unknown=None, **QUICK).annotate(halves[1], copy=True))
    sgt.tl.annotate(query, hierarchy=None, unknown=None, **QUICK)
    assert "T cell" not in set(query.obs["sgt_label"].astype(str))


def test_the_bundled_hierarchy_holds_all_labels_and_their_ids():
    plain = assets.immune_hierarchy()
    assert set(assets.immune_reference().obs["cell_type"]) <= set(plain["parents"])
    assert set(plain["ids"]) == set(plain["parents"])
    assert {p for some in plain["parents"].values() for p in some} <= set(plain["parents"])
    assert assets.card("immune_hierarchy")["licence"] == "CC BY 4.0"
