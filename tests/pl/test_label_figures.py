from itertools import pairwise

import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import MissingKeyError
from scgnn_tools.pl._calibration import _wilson


@pytest.fixture(scope="module")
def annotated(_pbmc68k):
    adata = _pbmc68k.copy()
    sgt.tl.annotate(adata, "bulk_labels", method="knn_pca")
    return adata


def words(figure):
    texts = [t.get_text() for ax in figure.axes for t in (*ax.texts, ax.xaxis.label, *ax.get_yticklabels())]
    return " ".join([*texts, *(ax.get_title(loc=side) for ax in figure.axes for side in ("left", "center"))])


def test_calibration_shows_the_bins_that_were_written(annotated, tmp_path):
    figure = sgt.pl.calibration(annotated)
    figure.savefig(tmp_path / "a.png")
    entry = annotated.uns["sgt_label"]
    shown = figure.axes[0].collections[-1].get_offsets()
    bins = entry["calibration"]
    assert bins["n"].sum() == entry["evaluation"].loc["knn_pca", "n"] == 104
    assert len(shown) == 4  # of 26 cells each: fewer would tell nothing
    # joined bins keep the means of all cells
    np.testing.assert_allclose(
        shown.mean(axis=0), np.average(bins[["confidence", "accuracy"]], axis=0, weights=bins["n"]), atol=0.02
    )
    assert "104 held-out labelled cells in 4 bins" in words(figure)
    assert f"calibration error {entry['evaluation'].loc['knn_pca', 'ece']:.3f}" in words(figure)


def test_the_interval_of_wilson():
    low, high = _wilson(np.array([0.5, 1.0]), np.array([100.0, 10.0]))
    np.testing.assert_allclose([low, high], [[0.4038, 0.7225], [0.5962, 1.0]], atol=1e-3)


def test_confusion_counts_the_held_out_cells(annotated, tmp_path):
    figure = sgt.pl.confusion(annotated)
    figure.savefig(tmp_path / "a.png")
    table = annotated.uns["sgt_label"]["confusion"]
    accuracy = np.trace(table.to_numpy()) / table.to_numpy().sum()
    assert f"accuracy {accuracy:.3f}" in words(figure)
    assert f"CD19+ B  ({table.loc['CD19+ B'].sum()})" in words(figure)
    sizes = dict(zip(annotated.uns["sgt_label"]["classes"], table.sum(axis=1), strict=True))
    few = {name: n for name, n in sizes.items() if n < 10}
    assert few
    assert all(f"{name}  ({n}) *" in words(figure) for name, n in few.items())
    assert "* fewer than 10 cells" in words(figure)


def test_a_query_is_judged_by_its_own_labels(annotated):
    annotated.obs["own"] = annotated.obs["bulk_labels"].cat.rename_categories({"CD19+ B": "B cells"}).astype(object)
    annotated.obs.loc[annotated.obs_names[:50], "own"] = np.nan
    shown = words(sgt.pl.confusion(annotated, labels_key="own"))
    assert "650 cells labelled in own" in shown
    n = int((annotated.obs["own"] == "B cells").sum())
    assert f"B cells  ({n})" in shown
    judged = ((annotated.obs["sgt_label"] != "Unknown") & annotated.obs["own"].notna()).sum()
    figure = sgt.pl.calibration(annotated, labels_key="own")
    n_points = len(figure.axes[0].collections[-1].get_offsets())
    assert f"{judged:,} cells labelled in own in {n_points} bins" in words(figure)
    assert 5 <= n_points <= 20
    assert np.diff(figure.axes[0].collections[-1].get_offsets()[:, 0]).min() > 0.005  # none lies upon another
    annotated.obs["other"] = "something else"
    assert "accuracy" not in words(sgt.pl.confusion(annotated, labels_key="other"))  # no name is on both sides


def test_sankey_bands_are_as_wide_as_there_are_cells(annotated, tmp_path):
    figure = sgt.pl.annotation_sankey(annotated, "louvain", min_share=0)
    figure.savefig(tmp_path / "a.png")
    bands = figure.axes[0].collections
    pairs = annotated.obs.groupby(["louvain", "sgt_label"], observed=True).size()
    assert len(bands) == len(pairs)
    heights = [p.get_height() for p in figure.axes[0].patches]
    assert sum(heights) == pytest.approx(2.0)
    few = sgt.pl.annotation_sankey(annotated, "louvain", min_share=0.02)
    assert len(few.axes[0].collections) == (pairs / 700 >= 0.02).sum()


def test_names_of_a_sankey_do_not_meet(annotated):
    few = annotated[annotated.obs["louvain"].isin(["9", "10"]) | (np.arange(annotated.n_obs) < 20)].copy()
    figure = sgt.pl.annotation_sankey(few, "bulk_labels", min_share=0)
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    for side in ("right", "left"):
        own = sorted(
            (b for b, t in zip(boxes, figure.axes[0].texts, strict=True) if t.get_ha() == side), key=lambda b: b.y0
        )
        assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(own))


def test_one_name_has_one_colour_and_unknown_is_in_the_legend(annotated):
    annotated.obs["sgt_label"] = annotated.obs["sgt_label"].cat.add_categories(
        ["Unknown"] * ("Unknown" not in annotated.obs["sgt_label"].cat.categories)
    )
    annotated.obs.loc[annotated.obs_names[:9], "sgt_label"] = "Unknown"
    annotated.uns["bulk_labels_colors"] = [f"#0000{i:02x}" for i in range(10)]
    figure = sgt.pl.annotation(annotated, labels_key="bulk_labels")
    known, said = (ax.collections[0].get_facecolors() for ax in figure.axes[:2])
    assert {tuple(c) for c in said} - {tuple(c) for c in known} == {(*np.array([0xC9, 0xCE, 0xD5]) / 255, 0.9)}
    assert [t.get_text() for t in figure.legends[0].get_texts()][-1] == "Unknown"
    assert {round(c[2] * 255) for c in known} == set(range(10))  # those of scanpy
    red = sgt.pl.annotation(annotated, labels_key="bulk_labels", palette={"CD34+": "red"})
    assert (1.0, 0.0, 0.0, 0.9) in {tuple(c) for c in red.axes[0].collections[0].get_facecolors()}


def test_what_is_missing_is_named(annotated, pbmc68k):
    for draw in (sgt.pl.calibration, sgt.pl.confusion):
        with pytest.raises(MissingKeyError, match=r"holds no annotation\. Run sgt.tl.annotate"):
            draw(pbmc68k)
    with pytest.raises(MissingKeyError, match="labels_key='truth' is no column of obs"):
        sgt.pl.annotation_sankey(annotated, "truth")
    few = annotated.copy()
    few.uns["sgt_label"]["confusion"] = few.uns["sgt_label"]["confusion"] * 0
    with pytest.raises(MissingKeyError, match="too few labelled cells to hold any out"):
        sgt.pl.confusion(few)
