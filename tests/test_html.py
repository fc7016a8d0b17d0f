"""What a notebook shows of the objects of the package."""

import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._html import boxed
from scgnn_tools.models._shown import trained

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


@pytest.mark.parametrize("name", [n for n in sgt.models.__all__ if n not in ("link_predictor", "FineTuner")])
def test_every_model_class_has_one(name):
    assert hasattr(getattr(sgt.models, name), "_repr_html_")
