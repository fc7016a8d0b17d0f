import numpy as np
import pytest
import scipy.sparse as sp
from tests.labels.conftest import make

from scgnn_tools.annotation.novelty import ALLOWANCE, FARTHEST, MANY, Novelty
from scgnn_tools.annotation.signs import SIGNS, Signs
from scgnn_tools.labels import Cells


@pytest.fixture(scope="module")
def novelty(problem):
    (train, y), (validation, _), _ = problem
    return Novelty().fit(train, y, validation)


def strange_cells(n=50, mean=2.0):
    """Cells that express only genes that no class has."""
    other = np.zeros((n, 120), dtype=np.float32)
    other[:, 90:] = np.log1p(np.random.default_rng(1).poisson(mean, (n, 30)))
    basis = np.random.default_rng(7).normal(size=(120, 10)).astype(np.float32)
    return Cells(sp.csr_array(other), other @ basis)


def test_the_usual_is_known_and_another_world_is_not(novelty, problem):
    test, _ = problem[2]
    assert (novelty.score(test) > 1).mean() < 0.08
    look = novelty.look()
    look.add(strange_cells())
    score, sign, _ = look.judge()
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


def another_laboratory(n, seed=9):
    """Known classes that another laboratory measured: the same change in all cells."""
    cells, y = make(n, rng=np.random.default_rng(seed))
    x = cells.expression.toarray()
    x[:, 80:] += 0.5
    basis = np.random.default_rng(7).normal(size=(120, 10)).astype(np.float32)
    return Cells(sp.csr_array(x.astype(np.float32)), (x @ basis).astype(np.float32)), y


@pytest.fixture(scope="module")
def between(problem):
    (train, y), (validation, _), _ = problem
    return Novelty().fit(train, y, validation, same_experiment=False)


def judged(novelty, cells, size=1000, **how):
    look = novelty.look()
    for i in range(0, len(cells), size):
        look.add(cells.take(np.arange(i, min(i + size, len(cells)))))
    return look.judge(**how)


def test_what_all_cells_of_a_query_have_in_common_is_the_laboratory(between):
    cells, _ = another_laboratory(200)
    strange, _, shift = judged(between, cells)
    assert shift.taken_out
    assert shift.away.sum() > 2
    assert (strange > 1).mean() < 0.1
    mixed, _, _ = judged(between, cells.beside(strange_cells(20)))
    assert (mixed[200:] > 1).mean() > 0.9
    assert (mixed[:200] > 1).mean() < 0.1


def test_a_group_that_differs_like_no_class_is_stranger_for_that(between, monkeypatch):
    known, y = another_laboratory(200)
    x = known.expression.toarray()
    pairs = np.stack([x[y == 0][:30], x[y == 1][:30], x[y == 2][:30]])
    basis = np.random.default_rng(7).normal(size=(120, 10)).astype(np.float32)
    group = pairs.mean(axis=0)  # of three classes at once
    both = known.beside(Cells(sp.csr_array(group), (group @ basis).astype(np.float32)))
    with_it, sign, _ = judged(between, both)
    monkeypatch.setattr("scgnn_tools.annotation.differences.WEIGHT", 0.0)
    without, _, _ = judged(between, both)
    more = with_it - without
    assert np.median(more[200:]) > 0.5
    assert np.median(more[:200]) < 0.5 * np.median(more[200:])
    assert (sign[200:] == len(SIGNS)).mean() > 0.5


def test_blocks_and_order_of_a_query_change_nothing(between):
    cells, _ = another_laboratory(120)
    strange, sign, shift = judged(between, cells)
    order = np.random.default_rng(0).permutation(120)
    again, sign_again, shift_again = judged(between, cells.take(order), size=7)
    np.testing.assert_allclose(again, strange[order], atol=1e-4)
    assert (sign_again == sign[order]).all()
    np.testing.assert_allclose(shift_again.away, shift.away, atol=1e-4)


def test_few_cells_and_cells_by_themselves_are_judged_alone(between):
    cells, _ = another_laboratory(200)
    alone, _, shift = judged(between, cells, alone=True)
    assert not shift.taken_out
    few = judged(between, cells.take(np.arange(MANY - 1)))[0]
    one = [float(judged(between, cells.take(np.array([i])))[0][0]) for i in range(5)]
    np.testing.assert_allclose(few, alone[: MANY - 1], rtol=1e-4)
    np.testing.assert_allclose(one, alone[:5], rtol=1e-3)
    assert np.median(alone) > np.median(judged(between, cells)[0])


def test_a_query_that_is_far_as_a_whole_is_unknown(between):
    strange, _, shift = judged(between, strange_cells(80, 6.0))
    assert shift.far
    assert shift.distance > FARTHEST
    assert (strange > 1).all()
    assert not judged(between, strange_cells(80, 6.0), alone=True)[2].taken_out


def test_it_is_the_same_after_it_was_kept(between):
    cells, _ = another_laboratory(60)
    again = Novelty().restore({k: v.copy() for k, v in between.state().items()})
    np.testing.assert_allclose(judged(again, cells)[0], judged(between, cells)[0], atol=1e-5)


def test_cells_without_counts_shift_nothing(between):
    cells, _ = another_laboratory(60)
    empty = Cells(sp.csr_array((100, 120), dtype=np.float32), np.zeros((100, 10), dtype=np.float32))
    np.testing.assert_allclose(judged(between, cells.beside(empty))[0][:60], judged(between, cells)[0], atol=1e-5)
