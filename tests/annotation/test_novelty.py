import numpy as np
import pytest
import scipy.sparse as sp
from tests.labels.conftest import make

from scgnn_tools.annotation.novelty import ALLOWANCE, Novelty
from scgnn_tools.annotation.signs import SIGNS, Signs
from scgnn_tools.labels import Cells


@pytest.fixture(scope="module")
def novelty(problem):
    (train, y), (validation, _), _ = problem
    return Novelty().fit(train, y, validation)


def strange_cells(n=50):
    """Cells that express only genes that no class has."""
    other = np.zeros((n, 120), dtype=np.float32)
    other[:, 90:] = np.log1p(np.random.default_rng(1).poisson(2.0, (n, 30)))
    basis = np.random.default_rng(7).normal(size=(120, 10)).astype(np.float32)
    return Cells(sp.csr_array(other), other @ basis)


def test_the_usual_is_known_and_another_world_is_not(novelty, problem):
    test, _ = problem[2]
    assert (novelty.score(test) > 1).mean() < 0.08
    score, sign = novelty.judge(strange_cells())
    assert (score > 1).mean() > 0.95
    assert sign.max() < len(SIGNS)


def test_it_depends_on_the_cell_alone(novelty, problem):
    test, _ = problem[2]
    together = novelty.score(test)
    alone = [float(novelty.score(test.take(np.array([i])))[0]) for i in range(10)]
    np.testing.assert_allclose(alone, together[:10], rtol=1e-4)


def test_the_signs_are_what_they_are_called(problem):
    (train, y), _, (test, _) = problem
    signs = Signs().fit(train, y)
    got = signs(test)
    x, means = test.expression.toarray(), np.stack([train.expression.toarray()[y == c].mean(axis=0) for c in range(4)])
    expected = np.array([max(np.corrcoef(row, m)[0, 1] for m in means) for row in x])
    np.testing.assert_allclose(got[:, 0], 1 - expected, atol=1e-4)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (test.embedding, train.embedding))
    nearest = np.sort(1 - a @ b.T, axis=1)[:, :10].mean(axis=1)
    np.testing.assert_allclose(got[:, 1], np.log(nearest + 1e-4), atol=1e-3)
    centres = np.stack([train.embedding[y == c].mean(axis=0) for c in range(4)]).astype(float)
    inverse = np.linalg.inv(np.cov((train.embedding - centres[y]).T, bias=True))
    d = test.embedding[:, None].astype(float) - centres
    square = np.einsum("nki,ij,nkj->nk", d, inverse, d)
    energy = -2 * np.log(np.exp(-square / 2).mean(axis=1))
    np.testing.assert_allclose(got[:, 3], np.log(energy + 1e-4), atol=0.02)


def test_a_shallow_cell_is_not_strange_for_that(problem):
    """Known cells of a quarter of the depth: the scale goes along, where one line of quantiles would not."""
    rng = np.random.default_rng(3)
    deep, y = make(300, rng=rng)
    shallow, y_shallow = make(300, rng=rng)
    counts = np.expm1(shallow.expression.toarray()).round().astype(int)
    thin = rng.binomial(counts, 0.4).astype(np.float32)
    basis = np.random.default_rng(7).normal(size=(120, 10)).astype(np.float32)
    x = np.log1p(thin)
    shallow = Cells(sp.csr_array(x), x @ basis)
    half = np.arange(300) % 2 > 0
    both, labels = (
        deep.take(np.flatnonzero(half)).beside(shallow.take(np.flatnonzero(half))),
        np.r_[y[half], y_shallow[half]],
    )
    held_out = deep.take(np.flatnonzero(~half)).beside(shallow.take(np.flatnonzero(~half)))
    novelty = Novelty().fit(both, labels, held_out)
    fresh = shallow.take(np.flatnonzero(~half))
    assert (novelty.score(fresh) > 1).mean() < 0.08
    assert abs(np.median(novelty.signs(fresh), axis=0)).max() < 0.6


def test_another_experiment_is_allowed_more(problem):
    (train, y), (validation, _), _ = problem
    within = Novelty().fit(train, y, validation)
    between = Novelty().fit(train, y, validation, same_experiment=False)
    assert between.threshold == ALLOWANCE > within.threshold


def test_several_experiments_show_how_strange_known_cells_look(problem):
    (train, y), (validation, _), _ = problem
    shifted, y_shifted = make(200, rng=np.random.default_rng(5), shift=3.0)
    both, labels = train.beside(shifted), np.r_[y, y_shifted]
    experiments = np.repeat([0, 1], [len(train), len(shifted)])
    drawn = np.random.default_rng(0).permutation(experiments)
    two = Novelty().fit(both, labels, validation, experiments=experiments, same_experiment=False)
    same = Novelty().fit(both, labels, validation, experiments=drawn, same_experiment=False)
    assert two.threshold > 1.3 * same.threshold == pytest.approx(1.3 * ALLOWANCE)
