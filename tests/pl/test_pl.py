import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.legend import Legend

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools.grn.table import pooled
from scgnn_tools.pl import _grn_regulon
from scgnn_tools.pl._grn import _counted
from scgnn_tools.pl._grn_modules import REST, modules
from scgnn_tools.pl._layout import best_of_each, choose_edges, rings


@pytest.fixture(scope="module")
def network(_pbmc68k):
    adata = _pbmc68k.copy()
    prior = genes.prior()
    prior = prior[prior["source"].isin(["SPI1", "IRF8", *prior["source"].unique()[::4]])]
    sgt.tl.infer_grn(adata, prior, method="collaborative", n_runs=1)
    return adata


def texts(figure):
    return [t.get_text() for ax in figure.axes for t in ax.texts] + [t.get_text() for t in figure.texts]


@pytest.mark.parametrize("n_edges", [1, 60, 130])
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


def test_many_edges_are_bands_to_modules(network, tmp_path):
    every = network.uns["sgt_grn"]["edges"]
    figure = sgt.pl.grn(network, n_edges=2000, save=tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 50_000
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    words = texts(figure)
    shown = choose_edges(every, 2000)
    sizes = [int(w.split(" edges")[0].split()[-1].replace(",", "")) for w in words if w.startswith("module ")]
    assert sum(sizes) == len(shown)  # every edge is in one band
    factors = {w.rsplit("  ", 1)[0]: int(w.rsplit("  ", 1)[1].replace(",", "")) for w in words if "  " in w}
    assert sum(factors.values()) == len(shown)
    largest = shown["source"].value_counts()
    assert factors[largest.index[0]] == largest.iloc[0]
    assert any(REST in name for name in factors) == (shown["source"].nunique() > 33)


def test_modules_hold_targets_with_like_factors():
    edges = pd.DataFrame(
        [(f, f"{part}{i}", 1.0) for part, fs in (("a", "AB"), ("b", "CD"), ("c", "EF")) for i in range(9) for f in fs],
        columns=["source", "target", "sign"],
    )
    of = pd.Series(modules(edges), index=edges["target"].str[0]).groupby(level=0).unique()
    assert all(len(m) == 1 for m in of)
    assert len({m[0] for m in of}) == 3


def test_a_regulon_lists_its_targets_and_their_evidence(network):
    every = network.uns["sgt_grn"]["edges"]
    tf = every[every["known"]]["source"].value_counts().index[0]
    words = texts(sgt.pl.grn(network, tf=tf, n_edges=25))
    mine = every[every["source"] == tf]
    wanted = pd.concat([mine[mine["known"]], mine[~mine["known"]]]).head(25)
    assert set(wanted["target"]) <= set(words)
    assert {"score", "correlation", "cosine", f"Regulon of {tf}"} <= set(words)
    assert f"{wanted['correlation'].iloc[0]:.2f}" in words
    regulators = set(every[every["target"] == tf]["source"])
    assert len(regulators & set(words)) >= min(14, len(regulators))


@pytest.mark.parametrize(
    ("value", "low", "place"),
    [
        (0.9, 0.0, (0.9, "right", True)), (0.2, 0.0, (1.0, "right", False)), (-0.9, -1.0, (-0.9, "left", True)),
        (-0.1, -1.0, (1.0, "right", False)), (0.7, -1.0, (-1.0, "left", False)), (0.0, 0.0, (1.0, "right", False)),
    ],
)  # fmt: skip
def test_digits_stand_on_a_bar_that_holds_them_or_beside_it(value, low, place):
    assert _grn_regulon._place(value, low, 1.0) == place


def test_the_legend_of_a_small_figure_is_whole(network):
    figure, ax = plt.subplots(figsize=(4.8, 4))
    sgt.pl.grn(network, ax=ax, n_edges=20)
    figure.canvas.draw()
    (legend,) = figure.findobj(Legend)
    assert legend.get_window_extent().x0 >= 0
    assert legend.get_window_extent().x1 <= figure.bbox.x1


def test_the_best_of_each_factor():
    edges = pd.DataFrame({"source": list("AAAABB"), "target": list("uvwxyz"), "score": [0.9, 0.8, 0.7, 0.6, 0.2, 0.1]})
    edges["known"] = edges["target"] == "x"
    assert best_of_each(edges, 4)["target"].tolist() == [
        "u",
        "v",
        "x",
        "y",
    ]  # what is known takes no place of what is new
    assert len(best_of_each(edges, 9)) == 6


def test_a_regulon_of_several_groups_shows_what_all_of_them_say():
    rows = [("A", 0.9, 0.1, 1.0, False), ("B", 0.8, 0.5, -1.0, True), ("C", 0.7, np.nan, 1.0, False)]
    edges = pd.DataFrame(rows, columns=["group", "score", "correlation", "sign", "sign_conflict"])
    edges = pd.concat(
        [
            edges.assign(source="SPI1", target="LYZ", known=True),
            edges.head(1).assign(source="SPI1", target="X", known=False),
        ]
    )
    out = pooled(edges).set_index("target")
    assert out.loc["LYZ", ["score", "n_groups"]].tolist() == [0.9, 3]
    assert out.loc["LYZ", "correlation"] == pytest.approx(0.3)
    assert np.isnan(out.loc["LYZ", "sign"])
    assert out["sign_conflict"].tolist() == [True, False]
    adata = ad.AnnData(np.ones((2, 2), dtype=np.float32), uns={"sgt_grn": {"edges": edges}})
    words = texts(sgt.pl.grn(adata, tf="SPI1"))
    assert "LYZ ±" in words
    assert "0.30" in words


def test_of_one_group(network):
    edges = network.uns["sgt_grn"]["edges"]
    network.uns["grouped"] = {"edges": edges.assign(group=np.where(np.arange(len(edges)) % 2, "B", "T"))}
    try:
        assert "Gene regulatory network of B" in texts(sgt.pl.grn(network, "grouped", group="B"))
        with pytest.raises(InputValueError, match="no group 'NK'; there is: B, T"):
            sgt.pl.grn(network, "grouped", group="NK")
    finally:
        del network.uns["grouped"]


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


def test_pairs_and_edges_are_told_apart():
    edges = pd.DataFrame({"source": ["A", "A"], "target": ["x", "y"]})
    assert _counted(edges, edges).startswith("2 of 2 edges, 1 ")
    assert _counted(edges, edges.assign(group="b")).startswith("2 of 2 pairs, ")
    groups = pd.concat([edges.assign(group=g) for g in "bc"])
    assert _counted(edges, groups).startswith("2 of 4 edges (pair × group), ")


def test_no_network_and_no_edge(network, pbmc68k):
    with pytest.raises(MissingKeyError, match=r"uns\['sgt_grn'\] holds no network\. Run sgt\.tl.infer_grn"):
        sgt.pl.grn(pbmc68k)
    with pytest.raises(InputValueError, match="There is no edge to draw"):
        sgt.pl.grn(network, tfs=["NOSUCH"])
    there = network.uns["sgt_grn"]["edges"]["source"].iloc[0]
    with pytest.raises(InputValueError, match="There is no edge to draw from NOSUCH; transcription factors"):
        sgt.pl.grn(network, tfs=[there, "NOSUCH"])
    with pytest.raises(InputValueError, match=f"There is no edge to draw .*Did you mean '{there}'"):
        sgt.pl.grn(network, tf=there.lower())
    with pytest.raises(InputValueError, match="Pass one of them"):
        sgt.pl.grn(network, tfs=["SPI1"], tf="SPI1")


def test_annotation(pbmc68k, tmp_path):
    sgt.tl.annotate(pbmc68k, "bulk_labels", method="knn_pca")
    for labels_key, n_axes in ((None, 2), ("bulk_labels", 3)):
        figure = sgt.pl.annotation(pbmc68k, labels_key=labels_key)
        figure.savefig(tmp_path / "a.png")
        assert len(figure.axes) == n_axes
    words = " ".join(texts(figure))
    assert "accuracy" in words
    assert "macro-F1" in words


def test_annotation_without_what_it_needs(pbmc68k, quick_umap):
    with pytest.raises(MissingKeyError, match=r"holds no annotation\. Run sgt.tl.annotate"):
        sgt.pl.annotation(pbmc68k)
    sgt.tl.annotate(pbmc68k, "bulk_labels", method="knn_pca")
    with pytest.raises(MissingKeyError, match="basis='X_tsne' is not in obsm; there is: X_pca, X_umap"):
        sgt.pl.annotation(pbmc68k, basis="X_tsne")
    with pytest.raises(MissingKeyError, match="labels_key='truth' is no column"):
        sgt.pl.annotation(pbmc68k, labels_key="truth")
    del pbmc68k.obsm["X_umap"]
    with pytest.raises(MissingKeyError, match=r"no vectors 'X_cgc-mini' to make one of\. Run sgt.tl.embed"):
        sgt.pl.annotation(pbmc68k)
    pbmc68k.obsm["mine"] = pbmc68k.obsm["X_pca"][:, :5]
    pbmc68k.uns["sgt_label"]["params"]["vectors"] = "mine"
    first, again = (sgt.pl.annotation(pbmc68k).axes[0].collections[0].get_offsets() for _ in range(2))
    assert len(np.unique(first, axis=0)) > 1
    np.testing.assert_array_equal(first, again)
