import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score

from scgnn_tools.metrics import annotation, expected_calibration_error

RNG = np.random.default_rng(0)


def test_the_numbers_are_scikit_learn_s():
    y, p = RNG.integers(0, 4, 200), RNG.integers(0, 4, 200)
    m = annotation(y, p)
    assert m["n"] == 200
    assert m["accuracy"] == pytest.approx(accuracy_score(y, p))
    assert m["macro_f1"] == pytest.approx(f1_score(y, p, average="macro"))
    assert m["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, p))
    assert m["macro_precision"] == pytest.approx(precision_score(y, p, average="macro"))
    assert np.isnan(m["ece"])


def test_a_class_that_is_only_predicted_does_not_count_as_a_class():
    m = annotation(np.array(["a", "a", "b"]), np.array(["a", "Unknown", "b"]))
    assert m["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert m["macro_precision"] == 1


def test_a_class_that_is_never_predicted_has_no_precision():
    assert annotation(np.array(["a", "a", "b"]), np.array(["a", "a", "a"]))["macro_precision"] == pytest.approx(1 / 3)


def test_calibration_error():
    confidence = RNG.random(20_000)
    assert expected_calibration_error(RNG.random(20_000) < confidence, confidence) < 0.02
    assert expected_calibration_error(np.zeros(100, dtype=bool), np.full(100, 0.9)) == pytest.approx(0.9)


def test_nothing_to_score():
    m = annotation(np.array([]), np.array([]))
    assert m["n"] == 0
    assert np.isnan(m["accuracy"])
    assert np.isnan(m["macro_precision"])
