import numpy as np
import pandas as pd
import pytest

from scgnn_tools.grn.calibration import calibrate, logistic, probability
from scgnn_tools.grn.columns import coexpressed, of_data
from scgnn_tools.grn.estimate import _whole, estimate, of_cells
from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.grn.score import Group, everything


def test_probabilities_are_what_happens():
    rng = np.random.default_rng(0)
    score = rng.normal(size=20_000) * 3
    label = rng.random(20_000) < 1 / (1 + np.exp(-(0.8 * score - 1)))
    found = logistic(score, label)
    assert abs(found["slope"] - 0.8) < 0.05
    assert abs(found["intercept"] + 1) < 0.05
    edges = pd.DataFrame({"tf": "A", "score": 1 / (1 + np.exp(-score))})
    p = probability(edges, "degree", {"seen": found, "unseen": found}, ["A"])
    for low in (0.1, 0.4, 0.7):
        here = (p > low) & (p < low + 0.1)
        assert abs(label[here].mean() - p[here].mean()) < 0.04


def test_a_score_that_tells_nothing_gives_the_share_of_edges():
    rng = np.random.default_rng(0)
    label = rng.random(5000) < 0.2
    found = logistic(-1.0 * label + rng.normal(size=5000), label)  # it tells the opposite
    assert found["slope"] == 0
    p = probability(pd.DataFrame({"tf": ["A"], "score": [9.0]}), "pcc", {"seen": found, "unseen": found}, [])
    np.testing.assert_allclose(p, label.mean())


def test_factors_seen_and_not_seen_are_calibrated_apart():
    found = {"seen": {"slope": 1.0, "intercept": 0.0, "n": 9}, "unseen": {"slope": 0.0, "intercept": -2.0, "n": 9}}
    edges = pd.DataFrame({"tf": ["A", "B"], "score": [3.0, 3.0]})
    np.testing.assert_allclose(probability(edges, "pcc", found, ["A"]), 1 / (1 + np.exp([-3.0, 2.0])))


def test_calibration_of_a_method(inputs):
    found = calibrate(inputs, "degree", rng=0, options={})
    assert found["seen"]["slope"] > 0.3  # popular targets are popular with factors seen and not
    assert found["unseen"]["n"] == inputs.pairs["tf"].value_counts().iloc[0] * 2
    few = LinkInputs(inputs.pairs.head(60), inputs.embedding, inputs.genes, inputs.expression)
    assert np.isnan(calibrate(few, "degree", rng=0, options={})["seen"]["slope"])
    bare = LinkInputs(inputs.pairs, inputs.embedding, inputs.genes, None)
    assert np.isnan(calibrate(bare, "pcc", rng=0, options={})["unseen"]["slope"])


def test_an_estimate_grows_with_the_job(inputs):
    ticks = iter(range(10_000))
    now = {
        "tfs": np.array(["T0"]),
        "rng": 0,
        "options": {},
        "clock": lambda: float(next(ticks)),
    }  # a fit takes one second
    some, more = (estimate(inputs, "degree", n_fits=n, n_scored=n, **now) for n in (3, 30))
    assert more - some == 2 * 27  # both parts take the same, so the whole does; a scoring takes a second too
    assert some == 2 * 3 + 3  # and the three other baselines are trained once
    judged = estimate(inputs, "degree", n_fits=3, n_scored=1, **now)
    assert judged == 3 + 1 + 3  # what is evaluated alone scores few pairs
    calls = iter(range(0, 10_000, 10))  # a fit takes ten seconds: two of the method tell enough, and one of a baseline
    slow = now | {"clock": lambda: float(next(calls))}
    assert estimate(inputs, "degree", n_fits=3, n_scored=3, **slow) == 10 * (2 * 3 + 3)
    assert next(calls) == 10 * (2 * 3 + 3 * 2)
    few = LinkInputs(inputs.pairs[inputs.pairs["label"] == 1], inputs.embedding, inputs.genes, None)
    assert estimate(few, "degree", n_fits=3, n_scored=3, **now) is None


def test_the_cells_take_what_products_of_their_size_do():
    ticks = iter([0.0, 1.0] * 4)
    how = {"clock": lambda: next(ticks)}
    bare = of_cells(768, 768, 768, controls=False, groups=False, **how)
    assert bare == pytest.approx(6)
    assert of_cells(7680, 768, 768, controls=False, groups=False, **how) == pytest.approx(60)
    assert bare < of_cells(768, 768, 768, controls=True, groups=False, **how)
    assert bare < of_cells(768, 768, 768, controls=False, groups=True, **how)


@pytest.mark.parametrize(
    ("half", "full", "share", "whole"),
    [
        (1.0, 2.0, 0.1, 20.0),  # grows with the genes
        (3.0, 3.0, 0.1, 15.0),  # does not show whether it grows: half of what it would be
        (9.0, 2.0, 0.1, 10.0),  # loads something first
        (1.5, 2.0, 0.5, 3.0),  # one part of it is done once
    ],
)
def test_the_whole_from_two_parts(half, full, share, whole):
    assert _whole(half, full, share, complete=True) == pytest.approx(whole, rel=1e-6)


def test_evidence_of_the_data(inputs):
    edges = pd.DataFrame({"group": "", "tf": ["T0", "T1"], "target": ["g2", "g3"]})
    seen = of_data(edges, inputs.expression, inputs.embedding, [everything(inputs)])
    x = pd.DataFrame(inputs.expression.X, columns=inputs.expression.var_names)
    np.testing.assert_allclose(seen["correlation"], [x["T0"].corr(x["g2"]), x["T1"].corr(x["g3"])], atol=1e-6)
    assert list(seen) == ["correlation", "cosine"]
    assert of_data(edges, None, inputs.embedding, [everything(inputs)])["correlation"].isna().all()


def test_evidence_of_groups(inputs):
    every = np.ones(len(inputs.genes), dtype=bool)
    groups = [Group("a", np.arange(20), every), Group("b", np.arange(20, 60), every)]
    edges = pd.DataFrame({"group": ["b", "a"], "tf": ["T0", "T0"], "target": ["g2", "g3"]}, index=[7, 3])
    seen = of_data(edges, inputs.expression, inputs.embedding, groups)
    x = pd.DataFrame(inputs.expression.X, columns=inputs.expression.var_names)
    np.testing.assert_allclose(
        seen["correlation"], [x[20:]["T0"].corr(x[20:]["g2"]), x[:20]["T0"].corr(x[:20]["g3"])], atol=1e-6
    )
    on = x > 0
    own = [(on["T0"] & on["g2"])[20:].mean(), (on["T0"] & on["g3"])[:20].mean()]
    other = [(on["T0"] & on["g2"])[:20].mean(), (on["T0"] & on["g3"])[20:].mean()]
    np.testing.assert_allclose(seen["coexpressed"], own, atol=1e-6)
    np.testing.assert_allclose(seen["specificity"], np.subtract(own, other), atol=1e-6)
    away = coexpressed(inputs.expression, np.arange(20), pd.DataFrame({"tf": ["T0", "no"], "target": ["none", "g1"]}))
    assert np.isnan(away).all()


def test_ctrl_c_while_the_time_is_estimated_is_not_lost(inputs, monkeypatch):
    class Stopped:
        interrupted = True

    monkeypatch.setattr("scgnn_tools.grn.estimate.fit", lambda *_, **__: Stopped())
    with pytest.raises(KeyboardInterrupt):
        estimate(inputs, "gne", n_fits=3, n_scored=3, rng=0, options={}, tfs=inputs.genes[:3])
