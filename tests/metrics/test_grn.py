import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from scgnn_tools._errors import InputValueError
from scgnn_tools.metrics import auprc_difference, grn
from scgnn_tools.metrics._grn import _Ranking

RNG = np.random.default_rng(0)
Y, S, TF = RNG.integers(0, 2, 300), RNG.normal(size=300), RNG.integers(0, 5, 300)


def test_the_numbers_are_scikit_learn_s():
    m = grn(Y, S, TF)
    assert m["auroc"] == pytest.approx(roc_auc_score(Y, S))
    assert m["auprc"] == pytest.approx(average_precision_score(Y, S))
    assert m["auprc_ratio"] == pytest.approx(m["auprc"] / Y.mean())
    assert m["auroc_per_tf"] == pytest.approx(np.mean([roc_auc_score(Y[t == TF], S[t == TF]) for t in range(5)]))
    assert m["n_tfs"] == 5


def test_early_precision_in_both_definitions():
    y, s = np.array([1, 0, 1, 0, 0, 0]), np.array([9, 8, 7, 6, 5, 4.0])
    m = grn(y, s)
    assert m["epr"] == pytest.approx(1 / 2)
    assert m["epr_ratio"] == pytest.approx((1 / 2) / (2 / 6))


def test_ties_at_the_cut_count_by_their_mean():
    for label, score, share in (([1, 0, 0, 0], [1.0, 1, 1, 1], 0.25), ([1, 1, 0, 0], [3.0, 1, 1, 0], (1 + 0.5) / 2)):
        assert grn(np.array(label), np.array(score), at=(2,))["precision_at_2"] == pytest.approx(share)


def test_pairs_without_score_are_left_out():
    s = S.copy()
    s[:100] = np.nan
    assert grn(Y, s)["n"] == 200
    assert grn(Y, s)["auroc"] == pytest.approx(roc_auc_score(Y[100:], S[100:]))


@pytest.mark.parametrize("y", [np.ones(5), np.zeros(5), np.array([])])
def test_nothing_to_rank(y):
    m = grn(y, np.zeros(len(y)))
    assert np.isnan(m["auroc"])
    assert m["n"] == len(y)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
def test_bounds_and_the_perfect_ranking(pairs):
    y, s = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], dtype=float)
    m = grn(y, s)
    if 0 < y.sum() < len(y):
        for name in ("auroc", "auprc", "epr", "precision_at_100"):
            assert 0 <= m[name] <= 1
        perfect = grn(y, y.astype(float))
        assert perfect["auroc"] == perfect["auprc"] == perfect["epr"] == 1


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-2, 2), st.integers(0, 3)), min_size=2, max_size=60))
def test_means_over_factors_are_those_of_a_loop(rows):
    y, s, tf = (np.array(v) for v in zip(*rows, strict=True))
    both = [t for t in np.unique(tf) if 0 < y[tf == t].sum() < (tf == t).sum()]
    m = grn(y, s, tf)
    if 0 < y.sum() < len(y):
        assert m["n_tfs"] == len(both)
        for name, f in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
            assert m[name] == pytest.approx(f(y, s))
            expected = np.mean([f(y[tf == t], s[tf == t]) for t in both]) if both else np.nan
            np.testing.assert_allclose(m[f"{name}_per_tf"], expected, atol=1e-12)


def test_a_draw_of_factors_is_that_of_their_pairs_copied():
    ranking = _Ranking(Y.astype(bool), S, TF, (20,))
    weights = np.array([2, 0, 1, 3, 1])
    rows = np.concatenate([np.flatnonzero(t == TF) for t in np.repeat(np.arange(5), weights)])
    drawn, copied = ranking.values(weights), grn(Y[rows], S[rows], at=(20,))
    for name in ("auroc", "auprc", "auprc_ratio", "epr", "epr_ratio", "precision_at_20"):
        assert drawn[name] == pytest.approx(copied[name])
    one_by_one = np.array([roc_auc_score(Y[t == TF], S[t == TF]) for t in range(5)])
    assert drawn["auroc_per_tf"] == pytest.approx((weights * one_by_one).sum() / weights.sum())


def test_intervals_hold_the_value_repeat_and_narrow_with_more_factors():
    rng = np.random.default_rng(1)

    def make(n_tfs):
        tf = np.repeat(np.arange(n_tfs), 60)
        y = rng.random(len(tf)) < rng.beta(1, 2, n_tfs)[tf]
        return grn(y, y + rng.normal(size=len(tf)) + rng.normal(size=n_tfs)[tf], tf, bootstrap=300, rng=4)

    few, many = make(8), make(128)
    for m in (few, many):
        for name in ("auroc", "auprc", "auroc_per_tf", "epr"):
            assert m[f"{name}_low"] <= m[name] <= m[f"{name}_high"]
    assert many["auroc_high"] - many["auroc_low"] < 0.6 * (few["auroc_high"] - few["auroc_low"])
    assert grn(Y, S, TF, bootstrap=20, rng=1) == grn(Y, S, TF, bootstrap=20, rng=1)


def test_too_few_factors_have_no_interval():
    tf, y = np.repeat(np.arange(3), 20), np.tile([1, 0, 0, 1], 15)
    for n, there in ((2, False), (3, True)):
        some = tf < n
        scores = grn(y[some], np.arange(some.sum()) % 7, tf[some], bootstrap=20)
        assert np.isfinite(scores["auprc_low"]) == there
        assert np.isfinite(auprc_difference(y[some], y[some], np.arange(some.sum()) % 7, tf[some])).all() == there


def test_what_cannot_be_asked():
    with pytest.raises(InputValueError, match="pass tf="):
        grn(Y, S, bootstrap=10)
    with pytest.raises(InputValueError, match="positive numbers; got 0"):
        grn(Y, S, at=(0,))
    assert np.isnan(grn(np.ones(3), np.zeros(3), np.zeros(3), bootstrap=5)["auroc_low"])
