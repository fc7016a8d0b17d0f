import numpy as np
import pytest

from scgnn_tools.grn import reliability


def test_halves_are_disjoint_and_hold_every_cell():
    a, b = reliability.halves(31, rng=0)
    assert sorted(np.concatenate([a, b])) == list(range(31))


def test_agreement_knows_a_good_factor_from_a_bad_one():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 4000))
    noise = np.array([[0.3], [30.0]])
    a, b = (truth + noise * rng.normal(size=truth.shape) for _ in range(2))
    found = reliability.agreement(a, b)
    assert found.of_tf[0] > 0.8 > 0.5 > found.of_tf[1]
    assert found.whole == pytest.approx(2 * found.halves / (1 + found.halves))
    assert reliability.agreement(a, -a).of_tf.max() == 0


def test_noise_agrees_on_nothing():
    a, b = np.random.default_rng(0).normal(size=(2, 20, 5000))
    found = reliability.agreement(a, b)
    assert abs(found.halves) < 0.01
    assert found.of_tf.max() < 0.06
    assert found.shared == pytest.approx(0.02, abs=0.01)


def test_spearman_of_constants_is_unknown():
    assert np.isnan(reliability.spearman(np.ones(9), np.arange(9.0)))
    assert reliability.spearman(np.array([1.0, np.nan, 3, 4]), np.array([2.0, 9, 4, 5])) == pytest.approx(1)
