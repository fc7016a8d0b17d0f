"""What a notebook shows of the objects of the package."""

import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._html import boxed
from scgnn_tools.grn.compare import GrnComparison
from scgnn_tools.train.shown import trained

EVIL = "<script>alert(1)</script>"


def test_nothing_of_a_name_is_run_and_long_tables_are_folded():
    text = boxed(
        EVIL, {EVIL: EVIL, "cells": 12345, "share": 0.123456, "bundled": True}, {"more": pd.DataFrame({EVIL: [EVIL]})}
    )
    assert "<script" not in text
    assert all(shown in text for shown in ("12,345", "0.1235", "yes", "<details>", "<summary"))


@pytest.mark.parametrize("thing", [sgt.fm.card("scgpt"), sgt.fm.load("cgc-mini")], ids=["card", "model"])
def test_cards_and_models_say_their_licence(thing):
    text = thing._repr_html_()
    assert "licence" in text
    assert text.count("<details>") == text.count("</details>") >= 1


def test_a_model_class_shows_how_far_its_training_went():
    class Model:
        history = pd.DataFrame({"loss": [2.0, 1.0], "validation": [2.0, 1.5]})

        def __repr__(self):
            return "Model(3 genes, 2 classes, 2 epochs)"

    assert all(shown in trained(Model()) for shown in ("3 genes", "lowest loss held back", "1.5", "<details>"))
    Model.history = pd.DataFrame()
    assert "<details>" not in trained(Model())


@pytest.fixture(scope="module")
def cells():
    """Forty real cells of two types and two batches, 300 genes."""
    adata = assets.immune_reference()
    adata = adata[adata.obs["cell_type"].isin(["B cell", "NK cell"]).to_numpy()]
    adata = adata[:: max(1, adata.n_obs // 120), :1500].copy()
    adata.obs["batch"] = [EVIL if i % 2 else "b" for i in range(adata.n_obs)]
    return adata


def annotator(cells):
    return sgt.annotation.Annotator.fit(cells, "cell_type", method="knn_pca")


def annotation_result(cells):
    how = dict.fromkeys(("use_rep", "layer", "gene_key", "organism"))
    cells.obs["partly"] = ["Unknown" if i % 4 == 0 else label for i, label in enumerate(cells.obs["cell_type"])]
    inputs = sgt.annotation.collect(cells, "partly", None, unlabeled_category="Unknown", mod="rna", **how)
    return sgt.annotation.run(inputs.labelled, inputs.labels, inputs.query, method="knn_pca")


def integrator(cells):
    return sgt.integration.Integrator.fit(cells, "batch", method="center")


def network(cells):
    edges = pd.DataFrame({"group": "", "tf": EVIL, "target": ["FOS", "JUN"], "score": [2.0, 1.0]})
    table = pd.DataFrame({"kind": ["method"], "auprc": [0.5]}, index=["sgt"])
    return sgt.grn.Network(edges, {"verdict": "it wins", "table": table}, edges[:0], edges[:0])


def comparison(cells):
    edges = pd.DataFrame({"source": [EVIL], "target": ["FOS"]})
    return GrnComparison(edges, edges, edges, edges[:0], ("x", EVIL), "they differ")


def relations(cells):
    return sgt.perturbation.relations([("LYZ",), ("JUN",)], ["go"])


def effects(cells):
    genes = np.array(["FOS"], dtype=object)
    return sgt.perturbation.Effects([("LYZ",), (EVIL,)], np.ones((2, 1)), np.ones(2), genes, relations(cells))


@pytest.mark.parametrize(
    ("make", "text", "html"),
    [
        (annotator, "Annotator(knn_pca,", ("B cell", "evaluation", "held-out")),
        (annotation_result, "AnnotationResult(", ("cells", "evaluation")),
        (integrator, "Integrator(center, ", ("map_query", "2", "batches")),
        (network, "Network(2 edges, 1 transcription factors, 2 targets)\nit wins", ("best edges", "0.5", "it wins")),
        (comparison, "a: x, b: ", ("they differ", "factors")),
        (relations, "Relations(2 genes; go knows 2)", ("known to go",)),
        (effects, "Effects(2 conditions, 1 genes)", ("size of the change",)),
    ],
)
@pytest.mark.filterwarnings("ignore::scgnn_tools._errors.SgtWarning")  # few genes, few cells
def test_results_are_short_as_text_and_a_table_in_a_notebook(cells, make, text, html):
    thing = make(cells.copy())
    shown = thing._repr_html_()
    assert repr(thing).startswith(text)
    assert len(repr(thing)) < 600
    assert all(word in shown for word in html)
    assert "<script" not in shown
    assert shown.count("<details>") == shown.count("</details>")


def test_an_annotator_says_how_good_it_is_also_when_it_was_loaded(cells, tmp_path):
    made = annotator(cells)
    assert made.evaluation.index[0] == "knn_pca"
    assert made.verdict.startswith("knn_pca")
    made.save(tmp_path / "kept")
    pd.testing.assert_frame_equal(sgt.annotation.Annotator.load(tmp_path / "kept").evaluation, made.evaluation)
    made.labeller = None  # trained for each query
    assert (made.evaluation, made.verdict) == (None, "")
    assert "evaluation" not in made._repr_html_()


@pytest.mark.parametrize("name", [n for n in sgt.models.__all__ if n not in ("link_predictor", "FineTuner")])
def test_every_model_class_has_one(name):
    assert hasattr(getattr(sgt.models, name), "_repr_html_")
