import numpy as np
import pandas as pd
import pytest

from scgnn_tools.integration.evaluation import Evaluation, evaluate, scored_cells, verdict
from scgnn_tools.integration.inputs import Column


def column(values):
    names, codes = np.unique(np.asarray(values, dtype=object), return_inverse=True)
    return Column(names, codes)


def evaluation(**scores):
    """Each method's bio, batch, total, and the same without PCR, on the whole and with a small spread on halves."""
    table, halves = {}, {}
    for name, (bio, batch, mixing) in scores.items():
        row = {"bio": bio, "batch": batch, "total": 0.6 * bio + 0.4 * batch, "total_mixing": 0.6 * bio + 0.4 * mixing}
        table[name] = {"kind": "method" if name == "own" else "baseline", "ilisi": batch, **row}
        noise = 0.01 * np.random.default_rng(len(halves)).normal(size=(5, 1))
        halves[name] = pd.DataFrame(np.array([list(row.values())] * 5) + noise, columns=list(row))
    return Evaluation(pd.DataFrame.from_dict(table, orient="index"), halves)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ((0.9, 0.9, 0.9), "own beats the best baseline by total: 0.900, pca 0.700; it beats the best baseline by the worse of"),
        ((0.7, 0.7, 0.7), "own ties with the best baseline by total"),
        ((0.72, 0.72, 0.72), "own ties with the best baseline by total: 0.720"),  # more than one standard error, less than 95 %
        ((0.5, 0.9, 0.9), "it loses to the best baseline by the worse of bio and batch: 0.500, pca 0.700. Take pca"),
        ((0.7, 0.6, 0.9), "Without PCR, which subtracting means wins by construction, it beats pca: 0.780, 0.700"),
    ],
)  # fmt: skip
def test_the_verdict(own, says):
    assert says in verdict(evaluation(own=own, pca=(0.7, 0.7, 0.7), center=(0.6, 0.7, 0.5)), "own")


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        # harmony would lose to center as well, and scvi is the best of those that do not subtract means
        ({"center": (0.9, 0.9, 0.5), "harmony": (0.6, 0.6, 0.6), "scvi": (0.7, 0.7, 0.7)}, "scvi is best: take scvi"),
        ({"X_a+combat": (0.9, 0.9, 0.5), "pca": (0.3, 0.3, 0.3)}, "own is best: keep own"),
        ({"center": (0.6, 0.6, 0.6), "harmony": (0.9, 0.9, 0.9)}, "Take harmony"),
    ],
)
def test_what_wins_by_construction_is_not_advised(scores, says):
    said = verdict(evaluation(own=(0.5, 0.5, 0.5), **scores), "own")
    assert said.endswith(says)
    assert ("wins part of that by construction" in said) == ("Take" not in said)


def test_the_best_baseline_may_differ_by_the_measure():
    said = verdict(evaluation(own=(0.8, 0.4, 0.4), pca=(0.95, 0.3, 0.3), center=(0.6, 0.6, 0.6)), "own")
    assert "by total: 0.640, pca 0.690" in said
    assert "worse of bio and batch: 0.400, center 0.600" in said


def test_the_verdict_says_in_short_what_became_of_types_and_batches():
    text = verdict(evaluation(own=(0.7, 0.9, 0.9), pca=(0.7, 0.7, 0.7)), "own")
    words = "types stay apart as well as before (bio 0.700, pca 0.700); batches mix better than before (batch 0.900"
    assert text.startswith(f"own in short: {words}, pca 0.700). own ")


def test_what_cannot_be_scored_is_said():
    assert "nothing to score" in verdict(None, "own")
    assert "no baseline" in verdict(evaluation(own=(0.7, 0.6, 0.9)), "own")
    apart = verdict(evaluation(own=(0.7, np.nan, np.nan), pca=(0.8, np.nan, np.nan)), "own")
    assert apart.endswith("cannot be scored, since no label is in two of them; types apart (bio) 0.700, pca 0.800")


def test_rare_and_missing_labels_are_not_scored_and_many_cells_are_sampled():
    batch = column(np.tile(["x", "y"], 60))
    labels = Column(np.array(["a", "b"], dtype=object), np.repeat([0, 1, -1], [100, 9, 11]))
    np.testing.assert_array_equal(scored_cells(batch, labels, 0), np.arange(100))
    many = column(np.tile(["x", "y"], 4000))
    assert len(scored_cells(many, None, 0)) == 5000


def test_a_row_a_method_and_a_control_with_standard_errors():
    rng = np.random.default_rng(0)
    labels, batch = np.repeat(["a", "b"], 60), np.tile(["x", "y"], 60)
    x = (4 * np.eye(2, 5)[np.repeat([0, 1], 60)] + rng.normal(size=(120, 5))).astype(np.float32)
    found = evaluate({"m": x, "pca": x}, {"m": "method", "pca": "baseline"}, column(batch), column(labels), before=x)
    assert list(found.table["kind"]) == ["method", "baseline", "control", "control", "control"]
    assert found.table.loc["m", "total"] == found.table.loc["pca", "total"]
    assert 0 < found.table.loc["m", "total_se"] < 0.2
    assert found.table.loc[["random", "labels"], "total_se"].isna().all()
    assert "ties with" in verdict(found, "m")


def test_the_spread_of_halves_is_the_standard_error_of_a_mean():
    """For a plain mean the formula is known: the spread over halves is sd / sqrt(n)."""
    x = np.random.default_rng(0).normal(size=2000)
    halves = [x[np.random.default_rng([0, i]).permutation(2000)[:1000]].mean() for i in range(400)]
    assert np.std(halves) == pytest.approx(x.std() / np.sqrt(2000), rel=0.1)
