import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import ttest_ind

from scgnn_tools.perturbation.changes import changes, halves
from scgnn_tools.perturbation.inputs import Screen


def cells(n=400, seed=0):
    rng = np.random.default_rng(seed)
    condition, stratum = rng.integers(-1, 3, size=n), rng.integers(2, size=n)
    x = rng.normal(size=(n, 12)) + 5 * stratum[:, None] + condition[:, None] * (np.arange(12) < 4)
    names = [("a",), ("b",), ("c",)]
    return Screen(sp.csr_array(x), np.arange(12).astype(object), names, condition, stratum, stratum, stratum, {})


def test_a_change_is_against_controls_of_the_same_batch():
    found = cells()
    out = changes(found, found.condition, 3)
    x, i = found.expression.toarray(), 1
    base = np.stack([x[(found.condition == -1) & (found.stratum == s)].mean(axis=0) for s in (0, 1)])
    own = found.condition == i
    np.testing.assert_allclose(out.change[i], (x[own] - base[found.stratum[own]]).mean(axis=0))
    np.testing.assert_allclose(out.change[i][:4], 2, atol=0.5)
    assert np.abs(out.change[i][4:]).max() < 0.6  # the batch is five


def test_in_one_batch_the_statistic_is_welchs():
    found = cells()
    one = Screen(**{**vars(found), "stratum": np.zeros_like(found.stratum)})
    out = changes(one, one.condition, 3)
    x = one.expression.toarray()
    t, p = ttest_ind(x[one.condition == 2], x[one.condition == -1], equal_var=False)
    np.testing.assert_allclose(out.t[2], t)
    assert out.n.tolist() == [int((one.condition == i).sum()) for i in range(3)]
    assert (out.significant()[2] <= (p < 0.05)).all()


def test_halves_are_halves_of_every_condition_in_every_batch():
    found = cells()
    first = halves(found.condition, found.stratum, np.random.default_rng(0))
    for c in range(-1, 3):
        for s in (0, 1):
            own = first[(found.condition == c) & (found.stratum == s)]
            assert abs(2 * own.sum() - len(own)) <= 1
    again = halves(found.condition, found.stratum, np.random.default_rng(1))
    assert 0.3 < (first == again).mean() < 0.7


def test_what_is_used_decides():
    found = cells()
    first = halves(found.condition, found.stratum, np.random.default_rng(0))
    a, b, whole = (changes(found, found.condition, 3, use) for use in (first, ~first, None))
    assert (a.n + b.n == whole.n).all()
    assert not np.allclose(a.control, b.control)
    assert a.error.mean() == pytest.approx(np.sqrt(2) * whole.error.mean(), rel=0.1)


def test_rare_genes_of_cells_that_nothing_was_done_to_are_not_called():
    rng = np.random.default_rng(0)
    condition = np.repeat([-1, 0], [500, 80])
    x = rng.poisson(np.geomspace(0.003, 3, 2000), size=(580, 2000)).astype(float)
    zero = np.zeros(580, dtype=np.int64)
    found = changes(Screen(sp.csr_array(x), np.arange(2000), [("a",)], condition, zero, zero, zero, {}), condition, 1)
    assert found.significant().sum() <= 4
    rare = x[condition == -1].mean(axis=0) < 0.01  # one of 80 cells
    assert not found.testable[0, rare].any()
    assert (found.t[0, rare] == 0).all()
    assert found.testable[0, -500:].all()
