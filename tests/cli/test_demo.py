import anndata as ad
import pytest

from scgnn_tools.cli._demo import demo


@pytest.mark.slow
def test_the_demo_writes_its_four_files_and_prints_baselines(tmp_path):
    text = demo(tmp_path / "demo")
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == [
        "annotation.png",
        "grn.png",
        "pbmc.h5ad",
        "umap.png",
    ]
    for word in ("PCA", "logreg_pca", "knn_pca", "AUPRC", "degree", "collaborative", "seconds"):
        assert word in text
    adata = ad.read_h5ad(tmp_path / "demo" / "pbmc.h5ad")
    assert {"sgt_label", "sgt_label_confidence"} <= set(adata.obs)
    assert "sgt_grn" in adata.varp
