import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scgnn_tools.splits import split_cells


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(0, 5))
def test_every_class_stays_in_training(labels, seed):
    labels = np.array(labels)
    part, alone = split_cells(labels, rng=seed)
    for c, n in zip(*np.unique(labels, return_counts=True), strict=True):
        counts = np.bincount(part[labels == c], minlength=3)
        assert counts[0] >= 1
        assert (c in alone) == (n == 1)
        assert (counts[2] >= 1) == (n >= 2)
        assert (counts[1] >= 1) == (n >= 3)


def test_proportions_and_determinism():
    labels = np.repeat([0, 1], [1000, 100])
    part, _ = split_cells(labels, rng=3)
    assert np.array_equal(part, split_cells(labels, rng=3)[0])
    assert not np.array_equal(part, split_cells(labels, rng=4)[0])
    for c in (0, 1):
        np.testing.assert_allclose(np.bincount(part[labels == c]) / (labels == c).sum(), [0.7, 0.15, 0.15])
