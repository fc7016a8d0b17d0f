import numpy as np
import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingExtraError, MissingKeyError


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


def test_the_figure(explained, tmp_path):
    figure = sgt.pl.explain(explained, n_genes=5)
    figure.savefig(tmp_path / "a.png")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert "CD19+ B" in titles
    assert "accuracy of the parts" in titles
