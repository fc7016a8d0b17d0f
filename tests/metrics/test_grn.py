import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from scgnn_tools.metrics import grn
from scgnn_tools.metrics._grn import precision_at

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
    assert precision_at(np.array([1, 0, 0, 0]), np.array([1.0, 1, 1, 1]), 2) == pytest.approx(0.25)
    assert precision_at(np.array([1, 1, 0, 0]), np.array([3.0, 1, 1, 0]), 2) == pytest.approx((1 + 0.5) / 2)


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
