import numpy as np

from scgnn_tools.annotation.signs import _markers, _means_of


def test_markers_of_a_class_stand_above_those_of_every_other():
    means = np.random.default_rng(0).integers(0, 4, (6, 40)).astype(np.float32)  # with ties
    others = np.stack([np.delete(means, c, axis=0).max(axis=0, initial=0) for c in range(len(means))])
    expected = np.argsort(others - means, axis=1, kind="stable")[:, :2]
    np.testing.assert_array_equal(_markers(means, np.arange(40)), expected)
    np.testing.assert_array_equal(
        _markers(means[:1], np.arange(40)), np.argsort(-means[:1], axis=1, kind="stable")[:, :2]
    )


def test_means_of_many_classes_are_the_means_of_their_cells():
    x, labels = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 7
    expected = np.stack([x[labels == c].mean(axis=0) for c in range(7)])
    np.testing.assert_allclose(_means_of(x, labels), expected, atol=1e-12)
