import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingKeyError


@pytest.fixture
def adata(pbmc68k):
    rng = np.random.default_rng(0)
    kind = pbmc68k.obs["bulk_labels"].astype(str)
    table = pd.DataFrame(
        rng.normal(size=(pbmc68k.n_obs, 6)), index=pbmc68k.obs_names, columns=[f"F{i}" for i in range(6)]
    )
    table.loc[kind == "CD19+ B", "F3"] += 4
    pbmc68k.obsm["sgt_activity"] = table.astype(np.float32)
    rows = [(g, f"F{i}", 20, i - 2.0, float(i == 5)) for g in ("B", "T $x$") for i in range(6)]
    regulons = pd.DataFrame(rows, columns=["group", "source", "n_targets", "specificity", "expression"])
    edges = pd.DataFrame({"group": ["B"], "source": ["F1"], "target": ["LYZ"], "score": [1.0]})
    pbmc68k.uns["sgt_grn"] = {"edges": edges, "regulons": regulons}
    return pbmc68k


def test_activity_by_group(adata):
    figure = sgt.pl.regulon_heatmap(adata, "bulk_labels", n_tfs=1)
    labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert "F3" in labels
    assert len(figure.axes[0].get_xticklabels()) == adata.obs["bulk_labels"].nunique()
    picked = sgt.pl.regulon_heatmap(adata, "bulk_labels", tfs=["F1", "F0"])
    assert [t.get_text() for t in picked.axes[0].get_yticklabels()] == ["F1", "F0"]
    kind = np.where(
        adata.obs["bulk_labels"] == "CD19+ B", "B", np.where(adata.obs["bulk_labels"] == "Dendritic", "D", " ")
    )
    adata.obs["some"] = pd.Categorical(kind, categories=["D", "B", "unused", " "])
    ordered = sgt.pl.regulon_heatmap(adata, "some")  # as the categories are, without a blank one
    assert [t.get_text() for t in ordered.axes[0].get_xticklabels()] == ["D", "B"]


def test_specificity_by_group(adata):
    figure = sgt.pl.regulon_specificity(adata, n_tfs=3)
    assert [[t.get_text() for t in ax.get_yticklabels()] for ax in figure.axes] == [["F3", "F4", "F5"]] * 2
    assert len({ax.get_xlim() for ax in figure.axes}) == 1  # groups are compared: one scale
    assert len(sgt.pl.regulon_specificity(adata, groups="B").axes) == 1


@pytest.mark.parametrize(
    ("call", "kwargs", "error", "says"),
    [
        ("regulon_heatmap", {"groupby": "bulk_labels", "key": "no"}, MissingKeyError, "holds no activities"),
        ("regulon_heatmap", {"groupby": "no"}, MissingKeyError, "groupby='no'"),
        ("regulon_specificity", {"groups": []}, InputValueError, "has no group none; there is"),
        (
            "regulon_heatmap",
            {"groupby": "bulk_labels", "tfs": ["F9"]},
            InputValueError,
            "no activity of F9; there is of F0",
        ),
        ("regulon_heatmap", {"groupby": "one"}, InputValueError, "has 1 group; two"),
        (
            "regulon_heatmap",
            {"groupby": "bulk_labels", "tfs": []},
            InputValueError,
            "tfs= names no transcription factor; there is",
        ),
        ("regulon_specificity", {"groups": ["NK"]}, InputValueError, "no group NK; there is: B"),
        ("regulon_specificity", {"key": "own"}, MissingKeyError, "holds no specificity"),
    ],
)
def test_what_cannot_be_drawn(adata, call, kwargs, error, says):
    adata.obs["one"] = "x"
    adata.uns["own"] = {"edges": adata.uns["sgt_grn"]["edges"]}
    with pytest.raises(error, match=says):
        getattr(sgt.pl, call)(adata, **kwargs)
