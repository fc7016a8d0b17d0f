import numpy as np
import pytest

from scgnn_tools.annotation.conformal import ConformalSets, coverage_of


def problem(n, seed, *, sharpness=1.0):
    """Probabilities of four unbalanced classes, and labels drawn from other, flatter ones: the model is overconfident."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 4)) * 2 + np.array([1.5, 0.5, 0.0, -1.0])
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
    proba = np.exp(sharpness * logits)
    return (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("sharpness", [1.0, 3.0])
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_the_promise_is_kept_whatever_the_probabilities_are_worth(coverage, sharpness):
    shares = []
    for seed in range(40):
        sets = ConformalSets(coverage).fit(*problem(150, seed, sharpness=sharpness))
        proba, labels = problem(1000, 1000 + seed, sharpness=sharpness)
        shares.append(coverage_of(sets.sets(proba), labels)[0])
    error = np.std(shares) / 40**0.5
    assert np.mean(shares) > coverage - 2 * error
    if sharpness == 1.0:  # sets are not larger than they must be
        assert np.mean(shares) < coverage + 0.03


def test_within_each_class_too_if_asked():
    marginal, conditional = [], []
    for seed in range(20):
        calibration, (proba, labels) = problem(1500, seed), problem(4000, 500 + seed)
        for kind, out in (("marginal", marginal), ("class", conditional)):
            sets = ConformalSets(0.9, kind).fit(*calibration).sets(proba)
            out.append([sets[labels == c, c].mean() for c in range(4)])
    assert min(np.mean(conditional, axis=0)) > 0.88
    assert min(np.mean(marginal, axis=0)) < 0.8


def test_a_class_with_too_few_held_out_cells_is_in_every_set():
    proba, labels = problem(200, 0)
    few = np.flatnonzero((labels != 3) | (np.cumsum(labels == 3) <= 5))
    sets = ConformalSets(0.9, "class").fit(proba[few], labels[few])
    assert sets.sets(proba)[:, 3].all()
    nothing = ConformalSets(0.9).fit(proba[:0], labels[:0])
    assert nothing.sets(proba).all()


def test_the_likeliest_class_is_in_every_set_and_nothing_to_score_is_nan():
    proba, labels = problem(300, 1, sharpness=5.0)
    sets = ConformalSets(0.3).fit(proba, labels).sets(proba)
    assert sets[np.arange(300), proba.argmax(axis=1)].all()
    assert np.isnan(coverage_of(sets[:0], labels[:0])).all()
