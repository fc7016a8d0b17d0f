import numpy as np

from scgnn_tools.metrics import eta2


def test_eta2():
    values = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 1.0], [1.0, 2.0], [9.0, 9.0]])
    np.testing.assert_allclose(eta2(values, np.array([0, 0, 1, 1, -1])), [1.0, 0.0], atol=1e-12)
