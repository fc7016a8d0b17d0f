"""What every annotation method has to do."""

import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels import METHODS, Cells, label_method


def enough(name):
    """The vectors of the problem see ten random directions of 120 genes: who has nothing else knows less."""
    return 0.8 if name.endswith("_rep") else 0.9


@pytest.fixture(scope="module", params=list(METHODS))
def fitted(request, problem):
    (train, y), (validation, y_validation), _ = problem
    return label_method(request.param).fit(train, y, validation, y_validation, rng=0)


def test_it_learns(fitted, problem, request):
    test, y = problem[2]
    scores = fitted.scores(test)
    assert scores.shape == (80, 4)
    assert (scores.argmax(axis=1) == y).mean() > enough(request.node.callspec.params["fitted"])


def test_one_cell_gets_the_answer_that_it_gets_among_many(fitted, problem):
    test, _ = problem[2]
    together = fitted.scores(test)
    for i in (0, 33, 79):
        np.testing.assert_allclose(fitted.scores(test.take(np.array([i])))[0], together[i], atol=1e-5)
    order = np.random.default_rng(0).permutation(80)
    np.testing.assert_allclose(fitted.scores(test.take(order)), together[order], atol=1e-5)


def test_the_same_seed_the_same_answer(fitted, problem):
    (train, y), (validation, y_validation), (test, _) = problem
    again = type(fitted)().fit(train, y, validation, y_validation, rng=0)
    np.testing.assert_array_equal(again.scores(test), fitted.scores(test))


@pytest.mark.parametrize("name", METHODS)
def test_two_classes_and_no_validation(name, problem):
    (train, y), _, (test, y_test) = problem
    two, none = np.flatnonzero(y < 2), np.array([], dtype=np.int64)
    fitted = label_method(name).fit(train.take(two), y[two], train.take(none), y[none], rng=0)
    ask = np.flatnonzero(y_test < 2)
    assert (fitted.scores(test.take(ask)).argmax(axis=1) == y_test[ask]).mean() > enough(name)


@pytest.mark.parametrize("name", METHODS)
def test_a_cell_without_expression_gets_finite_scores(name, problem):
    (train, y), (validation, y_validation), (test, _) = problem
    fitted = label_method(name).fit(train, y, validation, y_validation, rng=0)
    empty = Cells(test.expression[:1] * 0, test.embedding[:1] * 0, totals=np.zeros(1))
    assert np.isfinite(fitted.scores(empty)).all()


def test_a_typo_names_the_methods():
    with pytest.raises(
        InputValueError, match="no annotation method 'scgraft'; the methods are scgrapht, logreg_pca, centroid, knn_pca, "
    ):
        label_method("scgraft")


def test_every_registry_has_its_baselines():
    assert sum(e.kind == "baseline" for e in METHODS.values()) >= 2
