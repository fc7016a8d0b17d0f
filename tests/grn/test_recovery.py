import numpy as np
import pytest

from scgnn_tools.grn.recovery import recovery


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    return rng.random((50, 300)) < 0.1


def test_a_score_is_judged_on_the_pairs_of_all(known):
    rng = np.random.default_rng(1)
    good = rng.normal(size=known.shape) + known
    half = np.where(rng.random(known.shape) < 0.5, good, np.nan)
    table = recovery({"good": good, "half": half, "none": np.full(known.shape, np.nan)}, known, known.sum(axis=0))
    assert table.loc["good", "auroc"] == pytest.approx(0.76, abs=0.03)  # of two normals one apart
    assert table.loc["half", "auroc"] == pytest.approx(
        0.5 + 0.25 * 0.26, abs=0.02
    )  # a quarter of the comparisons have both
    assert table.loc["half", "coverage"] == pytest.approx(0.5, abs=0.03)
    assert table.loc["none", "auroc"] == 0.5
    assert table["n"].nunique() == 1
    assert table.loc["good", "low"] < table.loc["good", "auroc"] < table.loc["good", "high"]
    assert table.loc["half", "less_low"] > 0


def test_degree_alone_is_chance(known):
    rng = np.random.default_rng(2)
    popular = rng.pareto(1.5, size=300) + 0.2
    known = rng.random((50, 300)) < np.minimum(0.05 * popular, 0.5)
    degree = known.sum(axis=0)
    without = np.tile(degree, (50, 1)) - known  # as one that has not seen the edge counts
    assert recovery({"degree": without.astype(float)}, known, degree).loc["degree", "auroc"] == pytest.approx(
        0.5, abs=0.04
    )


def test_no_edges_give_no_number(known):
    table = recovery({"a": np.zeros(known.shape)}, np.zeros_like(known), known.sum(axis=0))
    assert np.isnan(table.loc["a", "auroc"])
    assert table.loc["a", "n"] == 0
