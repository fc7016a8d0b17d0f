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
    texts = [t.get_text() for ax in figure.axes for t in (*ax.texts, ax.title, *ax.get_yticklabels())]
    return " ".join([*texts, figure.get_suptitle()])


def test_calibration_shows_the_bins_that_were_written(annotated, tmp_path):
    figure = sgt.pl.calibration(annotated)
    figure.savefig(tmp_path / "a.png")
    entry = annotated.uns["sgt_label"]
    shown = figure.axes[0].collections[-1].get_offsets()
    np.testing.assert_allclose(shown, entry["calibration"][["confidence", "accuracy"]].to_numpy())
    assert entry["calibration"]["n"].sum() == entry["evaluation"].loc["knn_pca", "n"]
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
