import subprocess
import sys
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import GeneMatchError, InputTypeError, InputValueError, LabelError, MissingKeyError, SgtWarning
from scgnn_tools.labels.auto import MEMBERS

WRITTEN = {
    "obs['sgt_label']",
    "obs['sgt_label_confidence']",
    "obs['sgt_label_agreement']",
    "obs['sgt_label_reason']",
    "obs['sgt_label_novelty']",
    "obsm['sgt_label_set']",
    "obsm['sgt_label_proba']",
    "uns['sgt_label']",
}
QUICK = {"method": "logreg_pca"}


@pytest.fixture
def partly(pbmc68k):
    """Half of the labels hidden."""
    hide = np.random.default_rng(0).random(pbmc68k.n_obs) < 0.5
    pbmc68k.obs["cell_type"] = pbmc68k.obs["bulk_labels"].astype(object).where(~hide)
    return pbmc68k


@pytest.fixture(scope="module")
def reference():
    return assets.immune_reference()[::5].copy()


def agreement(adata, truth="bulk_labels"):
    hidden = adata.obs["cell_type"].isna()
    return (adata.obs["sgt_label"].astype(str) == adata.obs[truth].astype(str))[hidden].mean()


def test_partly_labelled_bare_call(partly):
    before = partly.copy()
    assert sgt.tl.annotate(partly) is None
    assert changed(before, partly) == WRITTEN
    assert agreement(partly) > 0.7
    entry = partly.uns["sgt_label"]
    table = entry["evaluation"]
    assert list(table.index[table["kind"] != "part"]) == ["auto", "logreg_pca", "centroid", "knn_pca"]
    assert list(table.index[table["kind"] == "part"]) == [f"auto: {m}" for m in MEMBERS]
    share = partly.obs["sgt_label_agreement"]
    assert share.between(0.2, 1).all()
    hidden = partly.obs["cell_type"].isna()
    right = (partly.obs["sgt_label"].astype(str) == partly.obs["bulk_labels"].astype(str))[hidden]
    assert right[share[hidden] == 1].mean() > right[share[hidden] < 1].mean() + 0.1
    assert "best baseline" in entry["verdict"]
    assert "obs['cell_type']" in entry["params"]["labels"]
    proba = partly.obsm["sgt_label_proba"]
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)
    assert proba.to_numpy().dtype == np.float32
    assert list(entry["classes"]) == [c.replace("|", "/") for c in proba.columns]
    np.testing.assert_allclose(partly.obs["sgt_label_confidence"], proba.max(axis=1))


def test_ctrl_c_keeps_the_best_weights_so_far(partly, monkeypatch):
    from scgnn_tools.train import full_batch

    epoch, calls = full_batch._epoch, []

    def once(*args, **kwargs):
        calls.append(1)
        if len(calls) == 40:
            raise KeyboardInterrupt
        return epoch(*args, **kwargs)

    monkeypatch.setattr(full_batch, "_epoch", once)
    with pytest.warns(SgtWarning, match="auto: the training was interrupted; the labels are of its best weights"):
        sgt.tl.annotate(partly, max_epochs=80)
    assert len(calls) == 40  # what was cancelled does not begin again
    assert partly.uns["sgt_label"]["params"]["interrupted"]
    table = partly.uns["sgt_label"]["evaluation"]
    assert list(table.index[table["kind"] != "part"]) == ["auto", "logreg_pca", "centroid", "knn_pca"]
    assert agreement(partly) > 0.6


def test_a_fusion_is_scored_beside_its_sides_and_tells_no_agreement(partly):
    sgt.tl.annotate(partly, method="scgrapht", max_epochs=20)
    table = partly.uns["sgt_label"]["evaluation"]
    assert list(table.index[table["kind"] == "part"]) == ["scgrapht: graph", "scgrapht: experts"]
    assert "sgt_label_agreement" not in partly.obs


def test_the_ensemble_says_its_time_first(partly, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.annotate(partly, max_epochs=5)
    assert "auto trains its members 2 times on 3" in caplog.records[0].getMessage()
    assert "about " in caplog.records[0].getMessage()


def test_it_says_what_it_chose_and_how_it_did(partly, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.annotate(partly, **QUICK)
    first, second = (r.getMessage() for r in caplog.records)
    assert "labels of obs['cell_type'] (" in first
    assert "best baseline" in second


def test_the_vectors_of_embed_are_used_if_they_are_there(partly):
    sgt.tl.embed(partly)
    sgt.tl.annotate(partly, **QUICK)
    assert partly.uns["sgt_label"]["params"]["vectors"] == f"obsm['X_{sgt.fm.best_bundled()}']"


@pytest.mark.parametrize("write", ["h5ad", "zarr"])
def test_round_trip(partly, tmp_path, write):
    sgt.tl.annotate(partly, **QUICK)
    path = tmp_path / f"a.{write}"
    getattr(partly, f"write_{write}")(path)
    back = getattr(ad.io, f"read_{write}")(path)
    assert (back.obs["sgt_label"].astype(str) == partly.obs["sgt_label"].astype(str)).all()
    assert np.array_equal(back.obsm["sgt_label_proba"].to_numpy(), partly.obsm["sgt_label_proba"].to_numpy())
    assert back.uns["sgt_label"]["verdict"] == partly.uns["sgt_label"]["verdict"]
    assert (
        back.uns["sgt_label"]["evaluation"]["accuracy"].tolist()
        == partly.uns["sgt_label"]["evaluation"]["accuracy"].tolist()
    )


def test_a_reference_with_genes_in_another_order_and_partly_missing(pbmc68k, reference):
    sgt.tl.annotate(pbmc68k, reference=reference, **QUICK)
    first = pbmc68k.obs["sgt_label"].astype(str)
    shuffled = reference[:, np.random.default_rng(0).permutation(reference.n_vars)].copy()
    sgt.tl.annotate(pbmc68k, reference=shuffled, **QUICK)
    assert (pbmc68k.obs["sgt_label"].astype(str) == first).mean() > 0.99
    b_cells = pbmc68k.obs["bulk_labels"] == "CD19+ B"
    assert (first[b_cells] == "B cell").mean() > 0.6
    assert "shared genes" in pbmc68k.uns["sgt_label"]["params"]["vectors"]


def test_one_cell_gets_the_answer_that_it_gets_among_many(pbmc68k, reference):
    reference = reference[::2].copy()
    sgt.tl.annotate(pbmc68k, reference=reference)
    alone = pbmc68k[5:6].copy()
    del alone.obs["sgt_label"]
    sgt.tl.annotate(alone, reference=reference)
    np.testing.assert_allclose(
        alone.obsm["sgt_label_proba"].to_numpy()[0], pbmc68k.obsm["sgt_label_proba"].to_numpy()[5], atol=1e-4
    )


@pytest.mark.slow
def test_the_bundled_reference_knows_blood_and_rejects_what_it_does_not_know(test_data):
    blood = ad.read_h5ad(test_data / "cells/kang_ifnb.h5ad")
    shares = []
    for draw in range(5):  # of the cells that set the thresholds: one draw gives between .04 and .23
        sgt.tl.annotate(blood, method="centroid", hierarchy=None, rng=draw)
        unknown = (blood.obs["sgt_label"] == "Unknown").to_numpy()
        shares.append(unknown.mean())
    assert np.median(shares) < 0.1
    named = blood.obs[~unknown]
    assert (named.loc[named["cell_type"] == "B", "sgt_label"] == "B cell").mean() > 0.8
    for name in ("sc_mixology", "xin_pancreas_subset_log"):
        other = ad.read_h5ad(test_data / f"cells/{name}.h5ad")
        with pytest.warns(SgtWarning, match="unlike the reference as a whole|share only"):
            sgt.tl.annotate(other, **QUICK)
        assert (other.obs["sgt_label"] == "Unknown").mean() > 0.95
        assert "" not in set(other.obs.loc[other.obs["sgt_label"] == "Unknown", "sgt_label_reason"])


def test_a_cell_judged_by_itself_is_the_same_among_many(pbmc68k, reference):
    """And without: what the cells of a query have in common is taken out, and recorded."""
    how = {"reference": reference, "unknown": "cell", **QUICK}
    sgt.tl.annotate(pbmc68k, **how)
    params = pbmc68k.uns["sgt_label"]["params"]
    assert not params["query_shift_taken_out"]
    alone = pbmc68k[5:6].copy()
    sgt.tl.annotate(alone, **how)
    for column in ("sgt_label", "sgt_label_reason"):
        assert alone.obs[column].iloc[0] == pbmc68k.obs[column].iloc[5]
    novelty = pbmc68k.obs["sgt_label_novelty"]
    assert alone.obs["sgt_label_novelty"].iloc[0] == pytest.approx(novelty.iloc[5], abs=1e-3)
    sgt.tl.annotate(pbmc68k, reference=reference, **QUICK)
    params = pbmc68k.uns["sgt_label"]["params"]
    assert params["query_shift_taken_out"]
    assert 0 < params["query_distance"] < 1.5
    assert params["query_shift"] > 0


def test_unknown_none_gives_every_cell_a_label(partly):
    sgt.tl.annotate(partly, unknown=None, **QUICK)
    assert "Unknown" not in set(partly.obs["sgt_label"])


def test_a_cell_without_counts_is_unknown(reference):
    query = reference[:20].copy()
    counts = query.X.tolil()
    counts[3] = 0
    query.X = sp.csr_matrix(counts)
    del query.obs["cell_type"]
    sgt.tl.annotate(query, reference=reference, **QUICK)
    row = query.obs.iloc[3]
    assert (row["sgt_label"], row["sgt_label_reason"], row["sgt_label_confidence"]) == ("Unknown", "no counts", 0)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (
            lambda a: {"labels_key": "leiden"},
            MissingKeyError,
            "labels_key='leiden' is no column of adata.obs; the columns are: bulk_labels",
        ),
        (
            lambda a: a.obs.update(pd.DataFrame({"phase": "G1"}, a.obs_names)) or {"labels_key": "phase"},
            LabelError,
            "at least two classes",
        ),
        (lambda a: a.obs.insert(0, "none", "") or {"labels_key": "none"}, LabelError, "labels no cell"),
        (lambda a: {"method": "scgpt"}, InputValueError, "no annotation method"),
        (lambda a: {"unknown": True}, InputValueError, "unknown is 'auto', 'cell' or None"),
        (
            lambda a: {"labels_key": "bulk_labels", "use_rep": "X_scVI"},
            MissingKeyError,
            "use_rep='X_scVI' is not in obsm; there is: X_pca",
        ),
        (
            lambda a: {"reference": a.raw[:, :40].to_adata(), "labels_key": "bulk_labels"},
            GeneMatchError,
            r"has \d+ genes that cgc-mini knows; at least 50",
        ),
        (lambda a: {"device": "cuda:7"}, InputValueError, "this machine has cpu"),
    ],
)
def test_wrong_input_changes_nothing(pbmc68k, change, error, says):
    kwargs = change(pbmc68k)
    before = pbmc68k.copy()
    with pytest.raises(error, match=says):
        sgt.tl.annotate(pbmc68k, **kwargs)
    assert changed(before, pbmc68k) == set()


def test_labels_with_blanks_numbers_and_rare_classes(pbmc68k):
    labels = pbmc68k.obs["louvain"].astype(float).to_numpy().copy()
    labels[::3] = np.nan
    labels[1] = 99
    pbmc68k.obs["code"] = labels
    with pytest.warns(SgtWarning, match="single labelled cell.*: 99"):
        sgt.tl.annotate(pbmc68k, "code", **QUICK)
    assert {"0", "1", "99"} <= set(pbmc68k.obs["sgt_label"].cat.categories)
    assert (
        "(467 of 700 cells)" in pbmc68k.uns["sgt_label"]["params"]["labels"]
        or "of 700 cells" in pbmc68k.uns["sgt_label"]["params"]["labels"]
    )


def test_own_vectors_a_view_and_a_copy(partly):
    before = partly.copy()
    view = partly[:400]
    out = sgt.tl.annotate(view, use_rep="X_pca", key_added="mine", copy=True, **QUICK)
    assert "mine" in out.obs
    assert view.is_view
    sgt.tl.annotate(view, use_rep="X_pca", **QUICK)
    assert "sgt_label" in view.obs
    assert changed(before, partly) == set()


def test_options_reach_the_method_and_a_transductive_run_says_so(partly):
    sgt.tl.annotate(partly, method="knn_pca", n_neighbors=3, transductive=True)
    assert partly.uns["sgt_label"]["params"]["transductive"] is True
    with pytest.raises(InputValueError, match="knn_pca has no option 'k'; its options are: n_neighbors"):
        sgt.tl.annotate(partly, method="knn_pca", k=3)


def two_sets(reference):
    return {n: reference[(reference.obs["dataset"] == n).to_numpy()].copy() for n in ("pbmc3k", "zheng_sorted_ref")}


def test_several_references_one_with_mouse_genes_and_fewer(pbmc68k, reference):
    from scgnn_tools.genes import tables

    sets = two_sets(reference)
    mouse = tables.mouse_of_human()
    other = sets["zheng_sorted_ref"][:, sets["zheng_sorted_ref"].var_names.isin(mouse.index)].copy()
    other.var_names = mouse.reindex(other.var_names).to_numpy()
    sgt.tl.annotate(pbmc68k, reference={"clusters": sets["pbmc3k"], "sorted, as if of a mouse": other}, **QUICK)
    params = pbmc68k.uns["sgt_label"]["params"]
    assert params["labels"].startswith("reference 'clusters' and reference 'sorted, as if of a mouse' (")
    b_cells = pbmc68k.obs["bulk_labels"] == "CD19+ B"
    assert (pbmc68k.obs["sgt_label"][b_cells] == "B cell").mean() > 0.6
    with pytest.raises(GeneMatchError, match="Reference 'few' has 40 genes"):
        sgt.tl.annotate(pbmc68k, reference={"all": sets["pbmc3k"], "few": sets["pbmc3k"][:, :40].copy()}, **QUICK)
    with pytest.raises(InputValueError, match=r"There is no file atlas\.h5ad"):
        sgt.tl.annotate(pbmc68k, reference="atlas.h5ad", **QUICK)
    with pytest.raises(InputTypeError, match="or a list or dict of them; got DataFrame"):
        sgt.tl.annotate(pbmc68k, reference=pbmc68k.obs[[]], **QUICK)
    with pytest.raises(InputValueError, match="no bundled reference; there is: immune"):
        sgt.tl.annotate(pbmc68k, reference="imune", **QUICK)
    with pytest.raises(MissingKeyError, match=r"no column of reference\['1'\]\.obs"):
        sgt.tl.annotate(pbmc68k, "original", reference=[sets["pbmc3k"], pbmc68k], **QUICK)


def test_a_mudata_goes_in_as_it_is(partly):
    import mudata as md

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mudata announces its next defaults
        both = md.MuData({"rna": partly.copy(), "other": partly[:, :5].copy()})
        out = sgt.tl.annotate(both, "cell_type", copy=True, **QUICK)
    assert "sgt_label" not in both.mod["rna"].obs
    sgt.tl.annotate(partly, "cell_type", **QUICK)
    assert (out.mod["rna"].obs["sgt_label"].astype(str) == partly.obs["sgt_label"].astype(str)).all()
    with pytest.raises(MissingKeyError, match="mod='atac' is no modality of this MuData; there is: rna, other"):
        sgt.tl.annotate(both, mod="atac")


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"key_added": "a/b"}, "no file could hold it"),
        ({"key_added": ""}, "Pass for example key_added='result'"),
        ({"key_added": "sgt"}, "the name of something else"),
        ({"key_added": "cell_type"}, "take the place of what it is made from: labels_key='cell_type'"),
        ({"key_added": "cell", "labels_key": "cell_reason"}, "made from: labels_key='cell_reason'"),
    ],
)
def test_a_name_that_cannot_be_written_is_refused_before_any_work(partly, kwargs, says):
    partly.obs["cell_reason"] = partly.obs["cell_type"]
    before = partly.copy()
    with pytest.raises(InputValueError, match=says):
        sgt.tl.annotate(partly, **QUICK, **kwargs)
    assert changed(before, partly) == set()


def test_labels_that_are_one_name_in_a_file_stay_two(partly, tmp_path):
    partly.obs["cell_type"] = np.array(["A/B", "A|B", "."], dtype=object)[np.arange(partly.n_obs) % 3]
    sgt.tl.annotate(partly, "cell_type", **QUICK)
    partly.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    entry = back.uns["sgt_label"]
    assert list(entry["classes"]) == [".", "A/B", "A|B"]
    for table in (back.obsm["sgt_label_proba"], back.obsm["sgt_label_set"], entry["confusion"]):
        assert list(table.columns) == ["(.)", "A|B (2)", "A|B"]
    assert set(back.obs["sgt_label"].unique()) <= {".", "A/B", "A|B", "Unknown"}


def test_a_hierarchy_and_its_ids(partly, tmp_path):
    (tmp_path / "mini.obo").write_text(
        "format-version: 1.2\n\n[Term]\nid: CL:1\nname: blood cell\n\n[Term]\nid: CL:2\nname: T cell\nis_a: CL:1\n"
        + "".join(
            f"\n[Term]\nid: CL:{i + 3}\nname: {c}\nis_a: CL:{2 if 'CD4+' in c or 'CD8+' in c else 1}\n"
            for i, c in enumerate(partly.obs["bulk_labels"].cat.categories)
        )
    )
    sgt.tl.annotate(
        partly, "cell_type", hierarchy=str(tmp_path / "mini.obo"), min_confidence=0.9, unknown=None, **QUICK
    )
    label, confidence = partly.obs["sgt_label"].astype(str), partly.obs["sgt_label_confidence"]
    assert {"T cell", "CD19+ B"} <= set(label)
    assert confidence.min() >= 0.9
    ids = partly.obs["sgt_label_ontology_term_id"].astype(str)
    assert set(ids[label == "T cell"]) == {"CL:2"}
    t_cells = label == "T cell"
    assert partly.obs["bulk_labels"][t_cells].str.startswith(("CD4+", "CD8+")).mean() > 0.85
    assert partly.uns["sgt_label"]["params"]["min_confidence"] == 0.9


def test_sets_hold_what_they_promise_on_hidden_labels(partly):
    sgt.tl.annotate(partly, "cell_type", **QUICK)
    hidden = partly.obs["cell_type"].isna().to_numpy()
    sets = partly.obsm["sgt_label_set"].to_numpy()
    at = partly.obs["bulk_labels"].map(
        {c.replace("|", "/"): i for i, c in enumerate(partly.obsm["sgt_label_set"].columns)}
    )
    held = sets[np.arange(700), at.astype(int)][hidden]
    n_calibration = partly.uns["sgt_label"]["conformal"]["n_calibration"]
    error = np.sqrt(0.09 * (1 / len(held) + 1 / n_calibration))
    assert held.mean() > 0.9 - 2 * error
    assert partly.uns["sgt_label"]["conformal"]["mean_size"] == pytest.approx(sets.sum(axis=1).mean())
    sgt.tl.annotate(partly, "cell_type", coverage=None, key_added="bare", **QUICK)
    assert "bare_set" not in partly.obsm
    assert "conformal" not in partly.uns["bare"]


def test_labels_of_another_vocabulary_and_a_class_only_in_the_query_change_nothing(pbmc68k, reference):
    """The query's own labels are not looked at where a reference is given."""
    sgt.tl.annotate(pbmc68k, "cell_type", reference=reference, **QUICK)
    first = pbmc68k.obsm["sgt_label_proba"].copy()
    pbmc68k.obs["cell_type"] = np.where(np.arange(700) % 2, "neuron", "Lymphocyte B")
    sgt.tl.annotate(pbmc68k, "cell_type", reference=reference, **QUICK)
    assert first.equals(pbmc68k.obsm["sgt_label_proba"])
    assert set(pbmc68k.obs["sgt_label"]) <= {*reference.obs["cell_type"].unique(), "Unknown"}


def test_boolean_labels_and_trailing_spaces(pbmc68k):
    odd = np.where(pbmc68k.obs["bulk_labels"] == "CD19+ B", "True", "False ").astype(object)
    odd[::4] = None
    pbmc68k.obs["is_b"] = odd
    sgt.tl.annotate(pbmc68k, "is_b", **QUICK)
    spaces = pbmc68k.obs["sgt_label"].astype(str)
    pbmc68k.obs["is_b"] = pd.Series(
        [None if v is None else v.strip() == "True" for v in odd], index=pbmc68k.obs_names, dtype=object
    )
    sgt.tl.annotate(pbmc68k, "is_b", **QUICK)
    assert (pbmc68k.obs["sgt_label"].astype(str) == spaces).all()
    assert {"True", "False"} <= set(spaces)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"coverage": 90}, "coverage is a number above 0 and below 1 or None; got 90"),
        ({"conformal": "mondrian"}, "conformal is 'marginal' or 'class'"),
        ({"min_confidence": 0}, "min_confidence is a number above 0 and at most 1; got 0"),
    ],
)
def test_shares_are_shares(pbmc68k, kwargs, says):
    with pytest.raises(InputValueError, match=says):
        sgt.tl.annotate(pbmc68k, "bulk_labels", **kwargs)


BACKED = """
import resource, sys, warnings
import anndata as ad
import scgnn_tools as sgt
from scgnn_tools import assets

warnings.simplefilter("ignore")
few = assets.immune_reference()[:300].copy()
few.X.data[::2] += 1  # other cells than those of the reference
sgt.tl.annotate(few, method="knn_pca")  # what is imported and trained anyway
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sgt.tl.annotate(ad.read_h5ad(sys.argv[1], backed="r"), method="knn_pca")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is counted otherwise elsewhere")
def test_a_backed_query_of_any_size_takes_the_same_memory(tmp_path):
    reference, taken = assets.immune_reference(), []
    reference.X.data[::2] += 1  # other cells than those of the reference
    for n in (5_000, 20_000):
        path, rows = tmp_path / f"{n}.h5ad", np.resize(np.arange(reference.n_obs), n)
        obs = pd.DataFrame(index=[f"c{i}" for i in range(n)])
        ad.AnnData(sp.csr_matrix(reference.X)[rows], obs=obs, var=reference.var[[]]).write_h5ad(path)
        done = subprocess.run([sys.executable, "-c", BACKED, str(path)], check=True, capture_output=True, text=True)
        taken.append(float(done.stdout))
    assert taken[0] < 250, taken  # MiB
    assert taken[1] < taken[0] + 60, taken


def test_a_query_is_labelled_block_by_block(pbmc68k, monkeypatch):
    some = pbmc68k[:50].copy()
    whole, parts = some.copy(), some.copy()
    sgt.tl.annotate(whole, reference=pbmc68k, labels_key="bulk_labels", **QUICK)
    monkeypatch.setattr("scgnn_tools.annotation.query.BLOCK", 7)
    sgt.tl.annotate(parts, reference=pbmc68k, labels_key="bulk_labels", **QUICK)
    pd.testing.assert_frame_equal(whole.obs, parts.obs, check_exact=False, atol=1e-4)
    pd.testing.assert_frame_equal(whole.obsm["sgt_label_proba"], parts.obsm["sgt_label_proba"], atol=1e-4)
