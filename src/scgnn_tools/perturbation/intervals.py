"""Bootstrap intervals over conditions or targets: cells are no replicates."""

import warnings

import numpy as np

from scgnn_tools._random import RNG, generator, seed
from scgnn_tools._verdict import verdict_word

DECIDE = 5
"""Conditions or targets from which on an interval says who wins: of fewer, all may lie on one side by chance."""


def word(low: float, high: float, n: int) -> str:
    """Say what the interval of a difference says, more being better: "beats", "loses to" or "ties with"."""
    if n < DECIDE:
        return "cannot be told, by so few, from"
    return verdict_word(low, high)


def draw(n: int, times: int, rng: RNG) -> np.ndarray:
    """Return positions drawn with replacement, int64 (times, n)."""
    return generator(seed(rng)).integers(max(n, 1), size=(times, max(n, 1)))


def means(values: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the mean of each draw, without what is NaN, (times,); a draw without any number is NaN."""
    if not len(values):
        return np.full(len(draws), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an empty mean is meant
        return np.nanmean(values[draws], axis=1)


def interval(drawn: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle 95 % of what was drawn, NaN where nothing is finite."""
    some = drawn[np.isfinite(drawn)]
    if not len(some):
        return float("nan"), float("nan")
    low, high = np.quantile(some, [0.025, 0.975])
    return float(low), float(high)
