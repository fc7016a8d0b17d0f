"""The ensemble: who gets how much weight, and on what ground."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels import METHODS, Cells, Entry, label_method
from scgnn_tools.labels.auto import experiment_folds

PAIR = ("centroid", "logreg_rep")


class Member:
    """Right about cells of the experiments that it trained on; about others as often as ``elsewhere`` says."""

    elsewhere, stops = 1.0, False

    def fit(self, train, labels, validation, validation_labels, *, unlabeled=None, rng=0):
        if self.stops:
            raise KeyboardInterrupt
        self.known, self.n_classes = set(train.embedding[:, 1]), int(labels.max()) + 1
        return self

    def scores(self, cells):
        truth, experiment, number = cells.embedding.T.astype(int)
        right = np.isin(experiment, list(self.known)) | (number % 10 < 10 * self.elsewhere)
        out = np.full((len(truth), self.n_classes), -3.0)
        out[np.arange(len(truth)), np.where(right, truth, (truth + 1) % self.n_classes)] = 0
        return out


class Local(Member):
    elsewhere = 0.2


class Stops(Member):
    stops = True


@pytest.fixture
def members(monkeypatch):
    here = SimpleNamespace(Member=Member, Local=Local, Stops=Stops)
    monkeypatch.setitem(sys.modules, "members", here)
    for name, cls in (("everywhere", "Member"), ("local", "Local"), ("stops", "Stops")):
        monkeypatch.setitem(METHODS, name, Entry("members", cls, "method", saved=False))


def cells_of(truth, experiment, *, told=True):
    vectors = np.stack([truth, experiment, np.arange(len(truth))], axis=1).astype(np.float32)
    return Cells(sp.csr_array(np.ones((len(truth), 1))), vectors, experiments=experiment if told else None)


@pytest.mark.parametrize(("told", "on"), [(True, "experiments"), (False, "cells")])
def test_held_out_experiments_tell_who_is_right_elsewhere(members, told, on):
    n = 600
    truth, experiment = np.arange(n) % 3, np.arange(n) // 5 % 3
    cells = cells_of(truth, experiment, told=told)
    train, validation = np.arange(n) < 450, np.arange(n) >= 450
    auto = label_method("auto", members=("everywhere", "local"))
    auto.fit(cells.take(train), truth[train], cells.take(validation), truth[validation])
    assert auto.weighed_on == on
    if told:
        assert auto.weights[0] > 0.7
    else:
        np.testing.assert_allclose(auto.weights, 0.5)
    query = cells_of(np.arange(100) % 3, np.full(100, 7))  # of another experiment still
    scores, agreement = auto.consensus(query)
    np.testing.assert_array_equal(scores, auto.scores(query))
    apart = auto.part_scores(query)
    agree = apart["everywhere"].argmax(axis=1) == apart["local"].argmax(axis=1)
    np.testing.assert_array_equal(agreement == 1, agree)
    assert set(agreement) == {0.5, 1}
    if told:
        assert (scores.argmax(axis=1) == np.arange(100) % 3).all()


def test_without_held_out_cells_all_count_alike(problem):
    (train, y), _, (test, y_test) = problem
    none = np.array([], dtype=np.int64)
    auto = label_method("auto", members=PAIR).fit(train, y, train.take(none), y[none])
    assert (auto.weighed_on, list(auto.weights)) == ("nothing", [0.5, 0.5])
    each = auto.part_scores(test)
    mean = np.mean([np.exp(s) for s in each.values()], axis=0)
    np.testing.assert_allclose(np.exp(auto.scores(test)), mean, atol=1e-9)
    assert (auto.scores(test).argmax(axis=1) == y_test).mean() > 0.9


def test_even_weights_are_even_whatever_held_out_cells_say(problem):
    (train, y), (validation, y_validation), _ = problem
    even, weighed = (
        label_method("auto", members=PAIR, weights=w).fit(train, y, validation, y_validation)
        for w in ("even", "held-out")
    )
    assert list(even.weights) == [0.5, 0.5]
    assert weighed.weights[0] != weighed.weights[1]
    assert (even.weighed_on, weighed.weighed_on) == ("nothing", "cells")


def test_folds_of_experiments():
    labels = np.repeat([0, 1, 2], 100)
    assert experiment_folds(None, labels, 0) == []
    assert experiment_folds(np.arange(300) % 2, labels, 0) == []
    experiment = np.arange(300) % 12
    folds = experiment_folds(experiment, labels, 0)
    assert len(folds) == 5
    for known, asked in folds:
        assert not set(experiment[known]) & set(experiment[asked])
    assert sorted(np.concatenate([asked for _, asked in folds])) == list(range(300))
    assert experiment_folds(labels, labels, 0) == []  # each class is of one experiment only: nobody else can know it
    again = experiment_folds(experiment, labels, 0)
    assert all(
        np.array_equal(a, b) for one, other in zip(folds, again, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_of_many_cells_some_train_a_fold():
    (known, asked), *rest = experiment_folds(np.arange(6000) % 3, np.arange(6000) // 3 % 3, 0)
    assert (len(known), len(asked), len(rest)) == (1500, 2000, 2)


def test_an_experiment_counts_for_a_hundred_cells_however_many_it_has(members):
    weight = []
    for n in (200, 2000):
        truth, experiment = np.arange(n) % 3, np.arange(n) // 5 % 4
        cells, none = cells_of(truth, experiment), np.array([], dtype=np.int64)
        auto = label_method("auto", members=("everywhere", "local")).fit(cells, truth, cells.take(none), none)
        weight.append(auto.weights[0])
    assert weight[1] - weight[0] < 0.1
    assert weight[0] > 0.6


def test_a_class_of_one_experiment_is_learnt_all_the_same(problem):
    (train, y), (validation, y_validation), (test, y_test) = problem
    experiment = np.where(y == 3, 0, np.arange(len(y)) % 3)
    auto = label_method("auto", members=PAIR)
    auto.fit(replace(train, experiments=experiment), y, validation, y_validation)
    assert auto.weighed_on == "experiments"
    assert (auto.scores(test).argmax(axis=1) == y_test).mean() > 0.9


def test_ctrl_c_keeps_the_members_that_are_there(members, problem):
    (train, y), (validation, y_validation), (test, y_test) = problem
    auto = label_method("auto", members=("centroid", "stops", "logreg_rep")).fit(train, y, validation, y_validation)
    assert auto.interrupted
    assert list(auto.members) == ["centroid"]
    assert (auto.scores(test).argmax(axis=1) == y_test).mean() > 0.9
    with pytest.raises(KeyboardInterrupt):
        label_method("auto", members=("stops", "centroid")).fit(train, y, validation, y_validation)


@pytest.mark.parametrize(
    "wrong", ["centroid", ("centroid",), ("centroid", "centroid"), ("centroid", "auto"), ("centroid", "x"), (1, 2)]
)
def test_members_are_two_or_more_methods(wrong):
    with pytest.raises(
        InputValueError, match=r"members are two or more different methods; got .*There are: scgrapht, "
    ):
        label_method("auto", members=wrong)


def test_an_option_that_is_none_of_these_is_named():
    with pytest.raises(InputValueError, match="weights is 'held-out' or 'even'; got 'odd'"):
        label_method("auto", weights="odd")


def test_options_go_to_the_graph_network(problem):
    auto = label_method("auto", pathway="P2", max_epochs=3, device="cpu")
    (train, y), (validation, y_validation), _ = problem
    auto.fit(train, y, validation, y_validation)
    assert auto.members["scgrapht"].steps == ("GC", "CG")
    assert len(auto.members["scgrapht"].history) == 3
    with pytest.raises(InputValueError, match="pathway"):
        label_method("auto", pathway="XX")
    with pytest.raises(InputValueError, match=r"no option 'pathway'; its options are: members, weights, device\."):
        label_method("auto", members=PAIR, pathway="P2")


def test_a_member_that_cannot_be_saved_is_named(members, problem):
    n = np.arange(60)
    cells = cells_of(n % 3, n % 2)
    auto = label_method("auto", members=("everywhere", "local")).fit(cells, n % 3, cells, n % 3)
    with pytest.raises(InputValueError, match="member 'everywhere' of this ensemble cannot be saved"):
        auto.state()
