import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools.pl._layout import choose_edges, rings


@pytest.fixture(scope="module")
def network(_pbmc68k):
    adata = _pbmc68k.copy()
    sgt.tl.infer_grn(adata, method="collaborative", n_runs=1)
    return adata


def texts(figure):
    return [t.get_text() for ax in figure.axes for t in ax.texts] + [t.get_text() for t in figure.texts]


@pytest.mark.parametrize("n_edges", [1, 60, 200])
def test_grn(network, n_edges, tmp_path):
    figure = sgt.pl.grn(network, n_edges=n_edges)
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    shown = choose_edges(network.uns["sgt_grn"]["edges"], n_edges)
    assert set(shown["source"]) | set(shown["target"]) <= set(texts(figure))
    assert any("best baseline" in t for t in texts(figure))


def test_a_notebook_shows_it_without_pyplot(network):
    assert sgt.pl.grn(network, n_edges=3)._repr_png_().startswith(b"\x89PNG")


def test_labels_of_targets_do_not_meet(network):
    figure = sgt.pl.grn(network, n_edges=60)
    figure.canvas.draw()
    _, targets = rings(choose_edges(network.uns["sgt_grn"]["edges"], 60))
    angles = np.sort(np.mod(targets.to_numpy(), 2 * np.pi))
    gaps = np.diff(np.append(angles, angles[0] + 2 * np.pi))
    np.testing.assert_allclose(gaps, 2 * np.pi / len(angles))


def test_one_factor(network):
    tf = network.uns["sgt_grn"]["edges"]["source"].iloc[0]
    assert tf in texts(sgt.pl.grn(network, tfs=[tf], n_edges=30))


def test_the_choice_of_edges():
    edges = pd.DataFrame(
        {
            "source": ["A"] * 90 + ["B"] * 10,
            "target": [f"g{i}" for i in range(90)] + [f"g{i}" for i in range(10)],
            "score": np.linspace(1, 0, 100),
        }
    ).assign(known=lambda d: d["target"].isin(["g80", "g85"]))
    chosen = choose_edges(edges, 32)
    assert {"g80", "g85"} <= set(chosen["target"])
    assert chosen["source"].value_counts().max() <= 4
    assert set(chosen["source"]) == {"A", "B"}


def test_no_network_and_no_edge(network, pbmc68k):
    with pytest.raises(MissingKeyError, match=r"uns\['sgt_grn'\] holds no network\. Run sgt\.tl.infer_grn"):
        sgt.pl.grn(pbmc68k)
    with pytest.raises(InputValueError, match="There is no edge to draw"):
        sgt.pl.grn(network, tfs=["NOSUCH"])


def test_annotation(pbmc68k, tmp_path):
    sgt.tl.annotate(pbmc68k, "bulk_labels", method="knn_pca")
    for labels_key, n_axes in ((None, 2), ("bulk_labels", 3)):
        figure = sgt.pl.annotation(pbmc68k, labels_key=labels_key)
        figure.savefig(tmp_path / "a.png")
        assert len(figure.axes) == n_axes
    words = " ".join(texts(figure))
    assert "accuracy" in words
    assert "macro-f1" in words


def test_annotation_without_what_it_needs(pbmc68k):
    with pytest.raises(MissingKeyError, match=r"holds no annotation\. Run sgt.tl.annotate"):
        sgt.pl.annotation(pbmc68k)
    sgt.tl.annotate(pbmc68k, "bulk_labels", method="knn_pca")
    with pytest.raises(MissingKeyError, match="basis='X_tsne' is not in obsm; there is: X_pca, X_umap"):
        sgt.pl.annotation(pbmc68k, basis="X_tsne")
    with pytest.raises(MissingKeyError, match="labels_key='truth' is no column"):
        sgt.pl.annotation(pbmc68k, labels_key="truth")
