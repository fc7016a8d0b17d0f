import numpy as np
import pytest

from scgnn_tools.perturbation.intervals import draw, interval, means


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(3, 1, size=400)
    low, high = interval(means(values, draw(400, 2000, 1)))
    assert (low, high) == pytest.approx((values.mean() - 0.098, values.mean() + 0.098), abs=0.015)


def test_what_is_nan_is_left_out_and_nothing_is_nan():
    values = np.r_[np.ones(5), np.nan]
    assert interval(means(values, draw(6, 50, 0))) == (1, 1)
    for none in (np.full(3, np.nan), np.zeros(0)):
        assert np.isnan(interval(means(none, draw(len(none), 50, 0)))).all()
