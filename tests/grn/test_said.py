import numpy as np
import pandas as pd
import pytest

from scgnn_tools.grn.said import cells_said, predicts


def said(*, less=(0.02, 0.01, 0.03), network=0.06, slope=0.4, controls=True, join=True, groups=(), auroc=0.62):
    own = pd.DataFrame({"halves": 0.46, "own": [True, *[False] * len(groups)]}, index=["all cells", *groups])
    evaluation = {"controls": controls, "reliability": own, "ratio": pd.DataFrame({"slope": [slope]})}
    if controls and join:
        rows = ["joined", "prior", "cells", "permuted cells"]
        recovery = pd.DataFrame({"auroc": auroc - np.array([0, 0.02, 0.08, 0.12])}, index=rows)
        recovery[["less", "less_low", "less_high"]] = less
        held = {"network": network, "rewired": 0.041, "low": 0.038, "high": 0.044}
        evaluation |= {"recovery": recovery, "held_out": pd.DataFrame(held, index=["joined"])}
    return cells_said(evaluation, join=join)


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({}, "The cells add to the prior here (the interval of the difference is above 0)."),
        (
            {"less": (0.02, -0.01, 0.03)},
            "this network is mostly prior knowledge (the interval of the difference holds 0).",
        ),
        ({"less": (-0.02, -0.03, -0.01)}, "known edges are told better without them, by prior_score."),
        ({"less": (0.0, 0.0, 0.0), "slope": 0.0}, "The cells make no edge likelier: this network is prior knowledge."),
        ({"less": (np.nan, np.nan, np.nan)}, "rewired copies 0.041 (0.038 to 0.044)"),
        ({"controls": False}, "controls were left out (controls=False)"),
        ({"join": False}, "below 0.3 is little)"),
        ({"less": (np.nan, np.nan, np.nan), "auroc": np.nan}, "rewired copies 0.041 (0.038 to 0.044)"),
    ],
)
def test_three_lines_end_in_plain_words(given, end):
    lines = said(**given).splitlines()
    assert len(lines) == {"controls": 2, "join": 1}.get(next(iter(given), ""), 3)
    assert lines[0].startswith("halves of the cells agree by 0.46")
    assert lines[-1].endswith(end)
    assert "nan" not in "".join(lines) or "auroc" not in given


def test_groups_that_do_not_agree_are_called_pooled_only_where_they_are():
    pooled = "there a network is the pooled one"
    assert pooled in said(groups=["B cell"])
    alone = said(groups=["B\ncell"], join=False).splitlines()
    assert pooled not in alone[1]
    assert len(alone) == 2
    assert alone[1].endswith("(B�cell): these cells alone hardly tell which genes go together")


def test_the_figures_of_each_question():
    lines = said(groups=["B cell", "NK cell"]).splitlines()
    assert "within 2 of 2 groups" in lines[1]
    assert (
        "with the cells 0.620, prior alone 0.600 (difference 0.020, 95 % 0.010 to 0.030), cells alone 0.540" in lines[2]
    )
    assert "the network explains 0.060 of the variance of its targets, rewired copies 0.041" in lines[3]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (0.06, "better than its"),
        (0.04, "no better than its"),
        (0.03, "worse than its"),
        (-0.002, "it does not predict held-out cells"),
        (np.nan, "no target is there"),
    ],
)
def test_held_out_cells_against_rewired_copies(network, words):
    held = pd.DataFrame({"network": network, "low": 0.038, "high": 0.044}, index=["joined"])
    assert words in predicts(held)
