import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels import Cells
from scgnn_tools.labels._novelty import Novelty


def test_the_usual_is_known_and_another_world_is_not(problem):
    (train, y), (validation, _), (test, _) = problem
    novelty = Novelty().fit(train, y, validation)
    assert novelty.unknown(test).mean() < 0.02
    rng = np.random.default_rng(1)
    other = np.zeros((50, 120), dtype=np.float32)
    other[:, 90:] = np.log1p(rng.poisson(2.0, (50, 30)))
    basis = np.random.default_rng(7).normal(size=(120, 10)).astype(np.float32)
    strange = Cells(sp.csr_array(other), other @ basis)
    assert novelty.unknown(strange).mean() > 0.95


def test_it_depends_on_the_cell_alone(problem):
    (train, y), (validation, _), (test, _) = problem
    novelty = Novelty().fit(train, y, validation)
    together = novelty.unknown(test)
    assert [bool(novelty.unknown(test.take(np.array([i])))[0]) for i in range(10)] == together[:10].tolist()


def test_correlation_is_pearson_with_the_nearest_mean(problem):
    (train, y), (validation, _), (test, _) = problem
    novelty = Novelty().fit(train, y, validation)
    x, means = test.expression.toarray(), np.stack([train.expression.toarray()[y == c].mean(axis=0) for c in range(4)])
    expected = np.array([max(np.corrcoef(row, m)[0, 1] for m in means) for row in x])
    np.testing.assert_allclose(novelty.correlation(test), expected, atol=1e-4)
