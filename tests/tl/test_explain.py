import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingExtraError, MissingKeyError, SgtWarning


@pytest.fixture(scope="module")
def explained(_pbmc68k):
    adata = _pbmc68k.copy()
    sgt.tl.explain(adata, "bulk_labels", max_epochs=10, n_cells=5, n_genes=60)
    return adata


def test_what_is_written(explained, pbmc68k):
    assert changed(pbmc68k, explained) == {
        "uns['sgt_explain']",
        "obs['sgt_explain_graph']",
        "obs['sgt_explain_vectors']",
    }
    entry = explained.uns["sgt_explain"]
    assert entry["genes"].shape == (60, 10)
    assert set(entry["genes"].index) <= set(explained.raw.var_names)
    assert list(entry["parts"].index) == ["graph", "vectors", "both"]
    assert entry["parts"]["accuracy"].between(0.3, 1).all()
    assert entry["dimensions"].shape == (sgt.fm.card(sgt.fm.best_bundled()).dimension, 10)


def test_known_markers_are_among_the_genes_of_their_types(explained):
    genes = explained.uns["sgt_explain"]["genes"]
    best = {c: set(genes[c].nlargest(12).index) for c in genes}
    assert best["CD19+ B"] & {"CD79A", "CD79B", "MS4A1", "CD74", "HLA-DRA", "TCL1A"}
    assert best["CD56+ NK"] & {"NKG7", "GNLY", "GZMB", "CST7", "PRF1", "CTSW"}


def test_it_survives_files_and_a_baseline_has_no_parts(explained, pbmc68k, tmp_path):
    import anndata as ad

    explained.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_explain"]["genes"]
    np.testing.assert_array_equal(back.to_numpy(), explained.uns["sgt_explain"]["genes"].to_numpy())
    out = sgt.tl.explain(pbmc68k, "bulk_labels", method="centroid", n_cells=3, n_genes=20, copy=True)
    assert "parts" not in out.uns["sgt_explain"]
    assert "sgt_explain" not in pbmc68k.uns


def test_where_a_cell_stands_decides_nothing(pbmc68k):
    """Which cells are asked is drawn by what they hold: the same ones in another order."""
    other = pbmc68k[np.random.default_rng(0).permutation(pbmc68k.n_obs)].copy()
    one, two = (
        sgt.tl.explain(a, "bulk_labels", method="logreg_pca", n_cells=4, n_genes=15, copy=True).uns["sgt_explain"]
        for a in (pbmc68k, other)
    )
    for table in ("genes", "dimensions"):
        pd.testing.assert_frame_equal(one[table], two[table], atol=1e-4)


def test_wrong_calls(pbmc68k, monkeypatch):
    with pytest.raises(InputValueError, match="how is 'occlusion', 'gradcam' or 'integrated_gradients'; got"):
        sgt.tl.explain(pbmc68k, "bulk_labels", how="saliency")
    with pytest.raises(InputValueError, match="needs the graph of scgrapht; the method is 'knn_pca'"):
        sgt.tl.explain(pbmc68k, "bulk_labels", method="knn_pca", how="gradcam")
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'scgnn_tools\[explain\]'"):
        sgt.tl.explain(pbmc68k, "bulk_labels", how="integrated_gradients", max_epochs=1, n_cells=1)
    with pytest.raises(MissingKeyError, match="holds no explanation"):
        sgt.pl.explain(pbmc68k)


def test_gradients_name_the_pathway_before_any_work(pbmc68k):
    for method in ("scgrapht", "auto"):
        with pytest.raises(InputValueError, match=r"the pathway is CG. Pass pathway='P2'"):
            sgt.tl.explain(pbmc68k, "bulk_labels", method=method, how="gradcam")
    with pytest.raises(InputValueError, match="genes in the last step; the pathway is CC-CC"):
        sgt.tl.explain(pbmc68k, "bulk_labels", pathway="P4", how="integrated_gradients")
    with pytest.raises(InputValueError, match="needs the graph of scgrapht; the method is 'auto'"):
        sgt.tl.explain(pbmc68k, "bulk_labels", method="auto", members=("centroid", "logreg_pca"), how="gradcam")


def test_gradcam_of_the_default_is_that_of_its_graph_and_leaves_nothing_of_another_method(explained):
    how = {"members": ("scgrapht", "centroid"), "pathway": "P2", "max_epochs": 10}
    out = sgt.tl.explain(explained, "bulk_labels", method="auto", how="gradcam", n_cells=5, copy=True, **how)
    entry = out.uns["sgt_explain"]
    assert entry["genes"].max().max() == pytest.approx(1)
    assert not {"sgt_explain_graph", "sgt_explain_vectors"} & set(out.obs)  # of the call before, by another method
    assert "parts" not in entry
    assert entry["params"]["options"]["options_of"]["scgrapht"]["pathway"] == "GC-CG"


@pytest.fixture(scope="module")
def planted():
    """Cells of four classes, whose vectors are noise but for entries 2c and 2c + 1 of class c; a fifth of them have no label."""
    rng = np.random.default_rng(0)
    codes, rate = np.arange(300) % 4, np.full((300, 120), 0.3)
    vectors = rng.normal(size=(300, 200)).astype(np.float32)
    for c in range(4):
        rate[codes == c, 20 * c : 20 * (c + 1)] = 2.0
        vectors[codes == c, 2 * c : 2 * c + 2] += 2
    labels = np.where(np.arange(300) % 5, np.array(["a/b", "B", "NK", "T"])[codes], "")
    adata = ad.AnnData(
        sp.csr_matrix(rng.poisson(rate).astype(np.float32)),
        obs=pd.DataFrame({"type": labels}, index=map(str, range(300))),
    )
    adata.obsm["X_planted"] = vectors
    return adata


ENTRIES = {"how": "gradcam", "use_rep": "X_planted", "n_cells": 20, "max_epochs": 40}


@pytest.fixture(scope="module")
def by_entries(planted):
    return sgt.tl.explain(planted, "type", pathway="P2", n_seeds=2, copy=True, **ENTRIES)


def test_both_sides_name_the_planted_entries_and_permuted_labels_do_not_hold(by_entries):
    entries = by_entries.uns["sgt_explain"]["entries"]
    wanted = {"a|b": {"0", "1"}, "B": {"2", "3"}, "NK": {"4", "5"}, "T": {"6", "7"}}
    for (_, name), top in entries["top"].groupby(["side", "class"]):
        assert set(top["entry"]) == wanted[name]  # 2 of 200 are the top 1 %
        assert (top["trainings"] == 1).all()
    assert len(entries["top"]) == 16
    mean = entries["agreement"].groupby("between")[["spearman", "other_class", "permuted", "top"]].mean()
    assert set(mean.index) == {"sides", "graph", "vectors"}
    assert (mean["spearman"] > mean[["other_class", "permuted"]].max(axis=1) + 0.15).all()
    assert (mean.loc[["graph", "vectors"], "permuted"].abs() < 0.1).all()  # across trainings nothing is left
    assert (mean["top"] == 1).all()
    assert entries["profiles"]["graph"].shape == (2, 200, 4)
    assert len(entries["pca"]) == 2 * 2 * 4
    assert by_entries.uns["sgt_explain"]["params"]["interrupted"] is False
    assert by_entries.uns["sgt_explain"]["genes"].shape == (120, 4)


@pytest.mark.parametrize(("at", "n"), [(1, (1, 0)), (2, (1, 0)), (4, (2, 1))])
def test_ctrl_c_ends_all_trainings_and_keeps_those_that_are_complete(planted, monkeypatch, at, n):
    from scgnn_tools.labels.scgrapht import ScGraPhT

    calls, fit = [], ScGraPhT.fit

    def stopped(self, *args, **given):
        calls.append(fit(self, *args, **given))
        self.interrupted = len(calls) == at
        return self

    monkeypatch.setattr(ScGraPhT, "fit", stopped)
    with pytest.warns(SgtWarning, match="the training was interrupted; the explanation is of its best weights so far"):
        out = sgt.tl.explain(planted, "type", pathway="P2", n_seeds=2, copy=True, **ENTRIES | {"max_epochs": 2})
    entry = out.uns["sgt_explain"]
    assert entry["params"]["interrupted"] is True
    assert len(calls) == at
    assert len(entry["entries"]["profiles"]["graph"]) == n[0]
    assert entry["entries"]["agreement"]["permuted"].notna().any() == bool(n[1])


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_entries_survive_files_and_are_drawn_from_them(by_entries, tmp_path, form):
    getattr(by_entries, f"write_{form}")(tmp_path / f"a.{form}")
    back = getattr(ad, f"read_{form}")(tmp_path / f"a.{form}")
    written, read = (a.uns["sgt_explain"]["entries"] for a in (by_entries, back))
    for name in ("graph", "vectors", "top", "agreement", "pca"):
        pd.testing.assert_frame_equal(read[name], written[name], check_dtype=False, check_index_type=False)
    axes = sgt.pl.explain_entries(back, show=False)
    shown = {t.get_text() for ax in axes for t in ax.get_yticklabels()}
    assert {"a/b", "B", "NK", "T"} <= shown
    assert {t.get_text() for t in axes[0].get_xticklabels()} >= {str(e) for e in range(8)}


def test_entries_of_the_default_are_those_of_its_graph(planted, by_entries):
    members = {"method": "auto", "members": ("scgrapht", "centroid"), "pathway": "P2"}
    out = sgt.tl.explain(planted, "type", copy=True, **ENTRIES, **members).uns["sgt_explain"]
    assert set(out["entries"]["agreement"]["between"]) == {"sides"}
    one = by_entries.uns["sgt_explain"]["entries"]["profiles"]["graph"][0]
    own = out["entries"]["profiles"]["graph"][0]
    assert min(np.corrcoef(one[:, c], own[:, c])[0, 1] for c in range(4)) > 0.95


def test_a_pathway_without_gene_nodes_has_entries_alone(planted):
    out = sgt.tl.explain(planted, "type", pathway="P4", scheme="EO", copy=True, **ENTRIES)
    entry = out.uns["sgt_explain"]
    assert "genes" not in entry
    assert set(entry["entries"]["top"]["side"]) == {"graph", "vectors"}
    with pytest.raises(MissingKeyError, match=r"no nodes of genes. Draw it with sgt.pl.explain_entries"):
        sgt.pl.explain(out)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n_seeds": 2}, "n_seeds=2 compares entries of the vectors, which how='gradcam' finds; how is 'occlusion'"),
        ({"n_seeds": 0, "how": "gradcam"}, "n_seeds"),
        ({"n_seeds": 2, "how": "gradcam", "pathway": "P1"}, "none go into the graph of pathway GG-CG"),
        (
            {"n_seeds": 2, "how": "gradcam", "pathway": "P2", "scheme": "graph"},
            "scheme='graph'. Pass pathway='P2' or 'P4'",
        ),
        ({"how": "gradcam", "pathway": "P4", "scheme": "graph"}, "genes in the last step; the pathway is CC-CC"),
    ],
)
def test_entries_that_cannot_be_are_refused_before_any_work(planted, given, says):
    with pytest.raises(InputValueError, match=re.escape(says)):
        sgt.tl.explain(planted, "type", use_rep="X_planted", **given)
    assert "sgt_explain" not in planted.uns


def test_the_figure_of_entries_says_what_is_missing(explained, planted):
    with pytest.raises(MissingKeyError, match=r"of genes and of no entries \(how='occlusion'\).*pathway='P2'"):
        sgt.pl.explain_entries(explained)
    with pytest.raises(MissingKeyError, match=r"holds no explanation. Run sgt.tl.explain\(adata, how='gradcam'"):
        sgt.pl.explain_entries(planted)


def test_the_figure(explained, tmp_path):
    figure = sgt.pl.explain(explained, n_genes=5)
    figure.savefig(tmp_path / "a.png")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert "CD19+ B" in titles
    assert "accuracy of the parts" in titles
