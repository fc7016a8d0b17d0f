"""The programs that are taken through their packages; small ones stand in for them, so that what goes in and out is seen."""

import logging
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from scgnn_tools._errors import MissingExtraError
from scgnn_tools.labels import METHODS, label_method

NAMES = ["celltypist", "singler"]


class Table:
    """What BiocPy gives back."""

    def __init__(self, **columns):
        self.columns = columns

    def get_column(self, name):
        return self.columns[name]

    def get_column_names(self):
        return list(self.columns)


def celltypist(seen):
    def train(x, *, labels, genes, use_SGD, random_state, check_expression, feature_selection, top_genes):
        from sklearn.linear_model import SGDClassifier
        from sklearn.preprocessing import StandardScaler

        logging.basicConfig(level=logging.INFO, force=True)  # as the real one does when it is imported
        warnings.simplefilter("ignore")
        seen.update(shape=x.shape, labels=labels, use_SGD=use_SGD, random_state=random_state)
        scaler = StandardScaler()
        scaled = np.minimum(scaler.fit_transform(x.toarray()), 10)
        model = SGDClassifier(loss="log_loss", random_state=random_state).fit(scaled, labels)
        return SimpleNamespace(classifier=model, scaler=scaler, features=genes)

    return SimpleNamespace(train=train)


def singler(seen):
    def train_single(x, labels, features, *, markers):
        seen.update(shape=x.shape, markers=markers)
        labels = np.array(labels)
        return {c: x.toarray()[:, labels == c].mean(axis=1) for c in np.unique(labels)}

    def classify_single(x, built, *, quantile, fine_tune_threshold):
        rho = {c: np.array([np.corrcoef(cell, m)[0, 1] for cell in x.toarray().T]) for c, m in built.items()}
        best = [max(rho, key=lambda c: rho[c][i]) for i in range(x.shape[1])]
        return Table(best=best, scores=Table(**rho), delta=np.full(x.shape[1], np.nan))

    return SimpleNamespace(train_single=train_single, classify_single=classify_single)


@pytest.fixture(params=NAMES)
def fake(request, monkeypatch):
    seen = {}
    monkeypatch.setitem(sys.modules, request.param, {"celltypist": celltypist, "singler": singler}[request.param](seen))
    return request.param, seen


def test_what_goes_into_a_package_and_comes_out(fake, problem):
    (train, y), (validation, y_validation), (test, y_test) = problem
    name, seen = fake
    handlers, filters = list(logging.getLogger().handlers), list(warnings.filters)
    fitted = label_method(name).fit(train, y, validation, y_validation, rng=3)
    assert logging.getLogger().handlers == handlers
    assert warnings.filters == filters
    together = fitted.scores(test)
    assert (together.argmax(axis=1) == y_test).mean() > 0.85
    np.testing.assert_allclose(fitted.scores(test.take(np.array([7])))[0], together[7], atol=1e-6)
    again = label_method(name).restore(fitted.state())
    np.testing.assert_allclose(again.scores(test), together, atol=1e-6)
    if name == "celltypist":
        assert (seen["shape"], seen["use_SGD"], seen["random_state"]) == (train.expression.shape, True, 3)
    else:  # genes are rows there; the genes of a pair are those of its first class
        assert seen["shape"] == train.expression.shape[::-1]
        assert {int(g) for g in seen["markers"]["1"]["2"][:10]} <= set(range(20, 40))


def test_two_classes_go_through_celltypist(monkeypatch, problem):
    monkeypatch.setitem(sys.modules, "celltypist", celltypist({}))
    (train, y), _, (test, y_test) = problem
    two, none, ask = np.flatnonzero(y < 2), np.array([], dtype=np.int64), np.flatnonzero(y_test < 2)
    fitted = label_method("celltypist").fit(train.take(two), y[two], train.take(none), y[none])
    assert (fitted.scores(test.take(ask)).argmax(axis=1) == y_test[ask]).mean() > 0.85


@pytest.mark.parametrize("name", NAMES)
def test_a_package_that_is_not_there_is_named_with_its_install_line(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=f"pip install {name}. Or take method='(sgd|spearman)_genes'"):
        label_method(name)
    assert METHODS[name].package == name
