import numpy as np
import pytest

from scgnn_tools.labels.weights import class_weights


def test_rare_classes_weigh_more_and_the_mean_weight_is_one():
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    weight = class_weights(labels, 4, 0.5)
    assert weight[labels].mean() == pytest.approx(1)
    assert weight[2] / weight[0] == pytest.approx(90**0.5, rel=1e-5)
    assert (class_weights(labels, 4, 0.0) == 1).all()
