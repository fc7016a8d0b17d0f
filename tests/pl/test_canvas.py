"""What all figures share: where they are drawn, what is returned, what pyplot knows, what is written."""

import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from tests.pl.test_names import annotated, by_entries, network

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError

HISTORY = pd.DataFrame({"loss": [3.0, 2, 1], "validation": [3.0, 2.5, 2.4]})
EM = pd.concat([HISTORY.assign(step=s) for s in ("q0", "p0", "q1", "p1")], ignore_index=True)


def programs():
    adata = annotated(["A", "C"])
    table = pd.DataFrame(
        {"n_genes": [9, 7, 5], "top_genes": ["a, b", "c, d", "e"], "cohesion": [0.5, 0.4, 0.3]},
        index=["P1", "P2", "P3"],
    )
    adata.obsm["sgt_programs"] = pd.DataFrame(
        np.random.default_rng(0).random((adata.n_obs, 3)), index=adata.obs_names, columns=table.index
    )
    adata.uns["sgt_programs"] = {"separation": table, "params": {"groupby": ""}}
    return adata


def calibrated():
    adata = annotated(["A", "C"])
    adata.uns["l"]["calibration"] = pd.DataFrame({"confidence": [0.5, 0.9], "accuracy": [0.4, 1.0], "n": [20, 20]})
    return adata


def judged():
    pairs = pd.DataFrame([(f"T{i}", f"g{j}") for i in range(4) for j in range(12)], columns=["tf", "target"])
    pairs["label"] = np.arange(len(pairs)) % 3 == 0
    return sgt.tl.evaluate_grn(
        {"a": pairs.assign(score=pairs["label"] + np.arange(len(pairs)) % 5)}, pairs, bootstrap=5
    )


def compared():
    adata = network(["A"])
    adata.uns["other"] = adata.uns["sgt_grn"]
    return sgt.tl.compare_grn(adata, "sgt_grn", "other")


def active():
    adata = annotated(["A", "C"])
    values = np.random.default_rng(0).random((adata.n_obs, 3))
    adata.obsm["sgt_activity"] = pd.DataFrame(values, index=adata.obs_names, columns=["A", "C", "D"])
    return adata


def specific():
    adata = network(["A"])
    rows = [(g, f, 5, i - 1.0, 0.5) for g in ("A", "B") for i, f in enumerate(["A", "G0", "G1"])]
    adata.uns["sgt_grn"]["regulons"] = pd.DataFrame(
        rows, columns=["group", "source", "n_targets", "specificity", "expression"]
    )
    return adata


CURVE = pd.DataFrame(
    {"lam": [0, 0.5, 1.0], "accuracy": [0.8, 0.9, 0.7], "macro_f1": [0.7, 0.8, 0.5], "chosen": [False, True, False]}
)


DRAWN = {
    "annotation": lambda **k: sgt.pl.annotation(annotated(["A"]), "l", labels_key="old", **k),
    "annotation_sankey": lambda **k: sgt.pl.annotation_sankey(annotated(["A"]), "old", "l", **k),
    "calibration": lambda **k: sgt.pl.calibration(calibrated(), "l", **k),
    "confusion": lambda **k: sgt.pl.confusion(annotated(["A"]), "l", **k),
    "explain": lambda **k: sgt.pl.explain(annotated(["A"]), **k),
    "explain_entries": lambda **k: sgt.pl.explain_entries(by_entries(["A"]), **k),
    "gene_programs": lambda **k: sgt.pl.gene_programs(programs(), **k),
    "gene_programs by": lambda **k: sgt.pl.gene_programs(programs(), groupby="old", **k),
    "grn": lambda **k: sgt.pl.grn(network(["A"]), **k),
    "grn tf": lambda **k: sgt.pl.grn(network(["A"]), tf="A", **k),
    "grn_evaluation": lambda **k: sgt.pl.grn_evaluation(judged(), **k),
    "grn_difference": lambda **k: sgt.pl.grn_difference(compared(), **k),
    "lambda_curve": lambda **k: sgt.pl.lambda_curve(CURVE, **k),
    "regulon_heatmap": lambda **k: sgt.pl.regulon_heatmap(active(), "old", **k),
    "regulon_specificity": lambda **k: sgt.pl.regulon_specificity(specific(), **k),
    "training": lambda **k: sgt.pl.training(HISTORY, **k),
    "training em": lambda **k: sgt.pl.training(EM, **k),
}


@pytest.fixture(autouse=True)
def _closed():
    plt.close("all")


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_a_figure_is_returned_known_to_pyplot_and_not_blank(draw, tmp_path):
    figure = draw()
    assert isinstance(figure, Figure)
    assert plt.gcf() is figure
    plt.savefig(tmp_path / "a.png", dpi=30)
    assert np.ptp(plt.imread(tmp_path / "a.png")[..., :3]) > 0.3


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_a_dark_style_of_the_user_leaves_no_dark_panel(draw):
    with plt.style.context("dark_background"):
        figure = draw()
    assert {ax.get_facecolor() for ax in figure.axes if ax.get_label() != "<colorbar>"} == {(1.0, 1.0, 1.0, 1.0)}
    after = {t.get_text() for t in figure.findobj(Text) if mpl.colors.same_color(t.get_color(), "white")}
    before = {t.get_text() for t in draw().findobj(Text) if mpl.colors.same_color(t.get_color(), "white")}
    assert after - {""} <= before  # no text that is white for the style alone


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_a_figure_goes_into_the_axes_of_the_user(draw, tmp_path):
    figure, axes = plt.subplots(1, 2, figsize=(16, 8))
    drawn = draw(ax=axes[0], save=tmp_path / "a.png")
    assert plt.get_fignums() == [figure.number]  # no other was made, and this one is kept
    assert {ax.get_figure(root=True) for ax in (drawn if isinstance(drawn, list) else [drawn])} == {figure}
    seen = plt.imread(tmp_path / "a.png")[..., :3].min(axis=(0, 2))
    assert seen[: len(seen) // 2].min() < 0.5
    assert draw(ax=axes[1], return_fig=True) is figure


def test_show_and_return_fig_say_what_comes_back(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()))
    assert isinstance(sgt.pl.training(HISTORY, show=False), Axes)
    assert all(isinstance(ax, Axes) for ax in sgt.pl.training(EM, show=False))
    assert shown == []
    assert sgt.pl.training(HISTORY, show=True) is None
    assert len(shown) == 1
    assert isinstance(sgt.pl.training(HISTORY, show=True, return_fig=True), Figure)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_a_figure_is_saved_whole_and_not_kept(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    assert isinstance(sgt.pl.training(HISTORY, save=path), Figure)
    assert path.stat().st_size > 2000
    assert plt.get_fignums() == []
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"save": "a.xyz"}, InputValueError, r"has to end in one of .*\.png"),
        ({"save": "no/such/a.png"}, InputValueError, "There is no folder"),
        ({"save": True}, InputTypeError, "path of a file"),
        ({"ax": [1, 2]}, InputTypeError, "ax is a matplotlib Axes.*got list. Pass one of them"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(given, error, says):
    with pytest.raises(error, match=says):
        sgt.pl.training(HISTORY, **given)
    assert plt.get_fignums() == []


def test_a_figure_that_fails_is_not_left_behind(monkeypatch):
    monkeypatch.setattr("scgnn_tools.pl._training._curves", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sgt.pl.training(HISTORY)
    assert plt.get_fignums() == []


def test_panels_want_a_place_in_a_grid():
    ax = plt.figure().add_axes((0.1, 0.1, 0.5, 0.5))
    with pytest.raises(InputValueError, match=r"takes the place of an axes of plt\.subplots"):
        sgt.pl.training(EM, ax=ax)
    assert sgt.pl.training(HISTORY, ax=ax) is ax


def test_text_stays_dark_in_a_dark_style():
    with plt.style.context("dark_background"):
        ax = sgt.pl.training(HISTORY, show=False)
    assert ax.xaxis.label.get_color() == ax.yaxis.get_ticklabels()[0].get_color() == "#1f2933"


def test_a_page_is_no_figure(tmp_path):
    for given in ({"ax": plt.subplots()[1]}, {"return_fig": True}):
        with pytest.raises(InputValueError, match="no matplotlib figure"):
            sgt.pl.grn(network(["A"]), interactive=True, **given)
    with pytest.raises(InputValueError, match=r"one of \.html"):
        sgt.pl.grn(network(["A"]), interactive=True, save=tmp_path / "a.png")
    with pytest.warns(FutureWarning, match="path= goes in the next release; pass save="):
        sgt.pl.grn(network(["A"]), interactive=True, path=tmp_path / "a.html")


@pytest.mark.parametrize(
    ("palette", "error", "says"),
    [
        ("nosuch", InputValueError, "no colour map of matplotlib"),
        (["#zzz"], InputValueError, "no colour that matplotlib knows"),
        (3, InputTypeError, "a dict of colours by name"),
    ],
)
def test_a_wrong_palette_is_named(palette, error, says):
    with pytest.raises(error, match=says):
        sgt.pl.annotation(annotated(["A"]), "l", palette=palette)


@pytest.mark.parametrize("palette", ["tab10", "viridis", ["red", "blue"], {"A": "red"}, None])
def test_colours_are_as_many_as_names_and_unknown_is_grey(palette):
    from scgnn_tools.pl._style import UNKNOWN, colours

    names = [f"n{i}" for i in range(70)] + ["A", "Unknown"]
    found = colours(names, palette)
    assert list(found) == names
    assert found["Unknown"] == UNKNOWN
    assert all(mpl.colors.is_color_like(c) for c in found.values())
    if palette is None:
        assert len(set(found.values())) == len(names)


def test_an_embedding_on_one_page(pbmc68k):
    adata = pbmc68k[::5].copy()
    sgt.tl.embed(adata, genes=False)
    figure = sgt.pl.embedding_report(adata, labels_key="bulk_labels", batch_key="phase", basis="X_umap")
    titles = [ax.get_title(loc="left") for ax in figure.axes[:4]]
    assert titles == ["bulk_labels", "phase", "genes expressed", "genes matched: 762 of 765"]
    below = [ax.get_xlabel() for ax in figure.axes[:3]]
    assert below[0].startswith("neighbours share the label: ")
    assert below[1].startswith("neighbours share the batch: ")
    assert len(sgt.pl.embedding_report(adata, "cgc-mini", basis="X_umap", show=False)) == 2
    with pytest.raises(sgt._errors.MissingKeyError, match="no embedding called 'x'; there is: cgc-mini"):
        sgt.pl.embedding_report(adata, "x")


def test_a_notebook_shows_a_figure_once(monkeypatch):
    """At the end of a cell the backend of notebooks shows all that pyplot knows of."""
    shown = []
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=lambda data, raw: shown.append(data)))
    known, saved = sgt.pl.training(HISTORY), sgt.pl.training(HISTORY)
    monkeypatch.setattr(mpl, "get_backend", lambda: "inline")
    known._ipython_display_()
    assert [d["image/png"][:4] for d in shown] == [b"\x89PNG"]
    assert plt.get_fignums() == [saved.number]  # the end of the cell shows what pyplot still knows
    monkeypatch.setattr(mpl, "get_backend", lambda: "ipympl")
    saved._ipython_display_()
    assert len(shown) == 1


@pytest.mark.parametrize("figsize", [3, (0, 0), (-1, 2), ("a", "b"), (1, 2, 3), (float("nan"), 1), (1e9, 1e9)])
def test_a_size_that_is_none_is_said(figsize):
    from scgnn_tools.pl._canvas import check_figsize

    with pytest.raises((InputTypeError, InputValueError), match="figsize is"):
        check_figsize(figsize)
