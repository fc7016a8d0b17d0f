"""Axes of a decomposition in one direction: a library gives either, by the machine and its threads."""

import numpy as np


def fixed_signs(axes: np.ndarray) -> np.ndarray:
    """Return axes, each turned so that its entry of the largest size is positive, as ``axes``, (n, k).

    Networks and trees that are given coordinates would else end elsewhere on another machine.
    """
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1, 1).astype(axes.dtype)
