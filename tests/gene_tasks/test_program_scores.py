import numpy as np

from scgnn_tools.gene_tasks.program_scores import _Between
from scgnn_tools.metrics import eta2


def test_eta2_of_scores_that_are_added_up():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random((50, 4)), np.zeros((50, 1))], axis=1).astype(np.float32)
    codes = rng.integers(-1, 3, 50)
    between = _Between(codes, 5)
    for start in range(0, 50, 17):
        between.add(values[start : start + 17], start)
    np.testing.assert_allclose(between.eta2(), eta2(values, codes), atol=1e-9)
