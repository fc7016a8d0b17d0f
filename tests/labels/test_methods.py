"""What every annotation method has to do."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, MissingExtraError
from scgnn_tools.labels import METHODS, Cells, label_method, resolved, train_size
from scgnn_tools.labels._registry import TRAIN_SIZE, method_options
from scgnn_tools.labels.saving import restored, state_of


def enough(name):
    """The vectors of the problem see ten random directions of 120 genes: who has nothing else knows less."""
    return 0.9 if "expression" in METHODS[name].reads else 0.8


def new(name):
    """The method as it is, or in less time where that is enough for so small a problem."""
    quick = {
        "scanvi": {"max_epochs": 25, "max_epochs_scanvi": 10}, "scbignn": {"epochs_genes": 8, "iterations": 1},
        "forest_genes": {"n_trees": 30}, "cgc": {"max_epochs": 4},
    }  # fmt: skip
    return label_method(name, **quick.get(name, {}))


@pytest.fixture(scope="module", params=[n for n, e in METHODS.items() if e.installed])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(name, problem):
    (train, y), (validation, y_validation), _ = problem
    return new(name).fit(train, y, validation, y_validation, rng=0)


def test_it_learns(fitted, problem, name):
    test, y = problem[2]
    scores = fitted.scores(test)
    assert scores.shape == (80, 4)
    assert (scores.argmax(axis=1) == y).mean() > enough(name)


def test_one_cell_gets_the_answer_that_it_gets_among_many(fitted, problem):
    test, _ = problem[2]
    together = fitted.scores(test)
    for i in (0, 33, 79):
        np.testing.assert_allclose(fitted.scores(test.take(np.array([i])))[0], together[i], atol=1e-5)
    order = np.random.default_rng(0).permutation(80)
    np.testing.assert_allclose(fitted.scores(test.take(order)), together[order], atol=1e-5)


def test_the_same_seed_the_same_answer(fitted, problem, name):
    (train, y), (validation, y_validation), (test, _) = problem
    again = new(name).fit(train, y, validation, y_validation, rng=0)
    np.testing.assert_array_equal(again.scores(test), fitted.scores(test))


def test_two_classes_and_no_validation(name, problem):
    (train, y), _, (test, y_test) = problem
    two, none = np.flatnonzero(y < 2), np.array([], dtype=np.int64)
    fitted = new(name).fit(train.take(two), y[two], train.take(none), y[none], rng=0)
    ask = np.flatnonzero(y_test < 2)
    assert (fitted.scores(test.take(ask)).argmax(axis=1) == y_test[ask]).mean() > enough(name)


def test_a_cell_without_expression_gets_finite_scores(fitted, problem):
    test, _ = problem[2]
    empty = Cells(test.expression[:1] * 0, test.embedding[:1] * 0, totals=np.zeros(1))
    assert np.isfinite(fitted.scores(empty)).all()


def test_genes_in_another_order_give_the_same_answer_to_fitted_cells(fitted, problem):
    """A method goes by columns: the caller brings them into the order of the training, so an order is kept, not guessed."""
    test, _ = problem[2]
    with_names = replace(test, genes=np.array([f"g{i}" for i in range(test.expression.shape[1])], dtype=object))
    np.testing.assert_allclose(fitted.scores(with_names), fitted.scores(test), atol=1e-6)


def test_who_is_restored_scores_the_same(fitted, problem, name):
    test, _ = problem[2]
    if not METHODS[name].saved:
        assert not hasattr(fitted, "state")
        return
    arrays, config = state_of(fitted)
    assert all(isinstance(a, np.ndarray) and a.dtype != object for a in arrays.values())
    arrays = {k: arrays[k].copy() for k in np.random.default_rng(1).permutation(list(arrays))}  # as a file gives them
    again = restored(new(name), arrays, json.loads(json.dumps(config, sort_keys=True)))
    np.testing.assert_array_equal(again.scores(test), fitted.scores(test))


@pytest.mark.parametrize(
    "options",
    [
        *({"n_genes": 0, "method": n} for n in ("svm_genes", "logreg_genes", "forest_genes", "spearman_genes")),
        {"C": 0, "method": "svm_genes"}, {"n_trees": 1.5, "method": "forest_genes"}, {"tune": -1, "method": "spearman_genes"},
        {"dropout": 1, "method": "gcn_pca"}, {"n_neighbors": 0, "method": "gcn_pca"}, {"lr": "fast", "method": "gcn_pca"},
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_option_is_refused_before_any_work(options):
    bad = next(iter(options))
    with pytest.raises(InputValueError, match=f"{bad} is .*; got"):
        label_method(options.pop("method"), **options)


@pytest.mark.parametrize("value", [float("nan"), -3, (1, 2), object()], ids=["nan", "negative", "pair", "object"])
def test_no_option_takes_what_makes_no_sense(name, value):
    for option in method_options(name) or []:
        with pytest.raises((InputValueError, InputTypeError)):
            label_method(name, **{option: value})


def test_the_registry_says_what_it_is(name, fitted):
    entry, cls = METHODS[name], METHODS[name].load()
    assert entry.saved == hasattr(cls, "state") == hasattr(cls, "restore")
    assert entry.modelled == hasattr(cls, "represent")
    assert entry.modelled <= (hasattr(fitted, "history") and entry.saved and entry.interruptible)
    assert entry.gradients == hasattr(cls, "reached")
    assert entry.transductive <= entry.sees_unlabeled
    assert entry.parts == (hasattr(cls, "graph_scores") and hasattr(cls, "other_scores"))
    assert entry.ensemble == hasattr(cls, "consensus")
    assert (entry.ensemble or entry.parts) == hasattr(cls, "part_scores")
    options = method_options(name)
    assert entry.device == (options is None or "device" in options)
    assert entry.interruptible == hasattr(label_method(name), "interrupted")


def test_the_registry_says_what_of_a_cell_is_read(fitted, problem, name):
    test, _ = problem[2]
    other = np.random.default_rng(5).permutation(len(test))
    taken_from_others = {
        "expression": {"expression": sp.csr_array(test.expression[other])},
        "embedding": {"embedding": test.embedding[other]},
        "totals": {"totals": 3 * test.totals},
    }
    scores = fitted.scores(test)
    read = {
        f for f, v in taken_from_others.items() if not np.allclose(fitted.scores(replace(test, **v)), scores, atol=1e-6)
    }
    assert read == METHODS[name].reads


def test_the_registry_says_whose_answer_depends_on_the_companions_of_a_cell(fitted, problem, name):
    (train, y), (validation, y_validation), (test, _) = problem
    in_company = new(name).fit(train, y, validation, y_validation, unlabeled=test, rng=0)
    entry, scores = METHODS[name], in_company.scores(test)
    assert entry.sees_unlabeled == (not np.array_equal(scores, fitted.scores(test)))
    if (
        entry.sees_unlabeled
    ):  # a cell that was there gets the answer of its place among the others, one all but equal its own
        like = in_company.scores(replace(test, expression=sp.csr_array(test.expression * np.float32(1 + 1e-6))))
        assert entry.transductive == (np.abs(like - scores).max() > 1e-2)


@pytest.mark.parametrize("name", [n for n, e in METHODS.items() if e.package])
def test_the_registry_says_which_package_is_missing(name, monkeypatch):
    """By a wrong name a method would be left out of all tests here without a word."""
    monkeypatch.setitem(sys.modules, METHODS[name].package, None)
    with pytest.raises(MissingExtraError, match=f"pip install {METHODS[name].package}[. ]"):
        label_method(name)


def test_the_registry_says_whose_options_hang_on_each_other(name, fitted):
    entry = METHODS[name]
    assert entry.resolves == hasattr(fitted, "params") == hasattr(fitted, "train_size")
    assert train_size(name, {}) == (fitted.train_size if entry.resolves else TRAIN_SIZE)
    as_held = resolved(name, fitted, {})
    assert set(as_held) == set(fitted.params if entry.resolves else method_options(name))


def test_another_seed_tells_who_draws(fitted, name, problem):
    (train, y), (validation, y_validation), (test, _) = problem
    other = new(name).fit(train, y, validation, y_validation, rng=1)
    assert METHODS[name].random == (not np.array_equal(fitted.scores(test), other.scores(test)))


@pytest.mark.parametrize("name", [n for n, e in METHODS.items() if e.interruptible])
def test_ctrl_c_keeps_the_best_weights_so_far(name, problem, ctrl_c):
    (train, y), (validation, y_validation), (test, y_test) = problem
    method = new(name)
    after = 3 if name == "cgc" else 6
    epochs = ctrl_c(after=after)
    method.fit(train, y, validation, y_validation, rng=0)
    assert method.interrupted
    assert len(epochs) == after + 1  # none follows
    assert np.isfinite(method.scores(test)).all()
    assert (method.scores(test).argmax(axis=1) == y_test).mean() > 0.4


@pytest.mark.parametrize(("after", "steps"), [(1, ["q0"]), (3, ["q0", "p0"]), (5, ["q0", "p0", "q1"])])
def test_ctrl_c_leaves_scbignn_with_what_was_trained(after, steps, problem, ctrl_c):
    """q alone in the first step, and the first round in the E-step after it; saved, it answers the same."""
    (train, y), (validation, y_validation), (test, _) = problem
    method = label_method("scbignn", max_epochs=2, iterations=1, read_out="p")
    epochs = ctrl_c(after=after)
    method.fit(train, y, validation, y_validation, rng=0)
    assert method.interrupted
    assert len(epochs) == after + 1
    assert set(method.history["step"]) == set(steps)
    said = method.of_both(test)
    assert np.array_equal(said["p"], said["q"]) == (steps == ["q0"])
    np.testing.assert_array_equal(method.scores(test), said["p"])
    assert len(method.represent(test)) == len(test)
    assert all(len(rounds) == 1 for rounds in method.table_of_rounds.values())
    again = restored(label_method("scbignn", read_out="p"), *state_of(method))
    np.testing.assert_array_equal(again.scores(test), said["p"])


@pytest.mark.parametrize("name", [n for n, e in METHODS.items() if e.interruptible])
def test_ctrl_c_before_there_are_weights_is_raised(name, problem, ctrl_c):
    (train, y), (validation, y_validation), _ = problem
    ctrl_c(after=0)
    with pytest.raises(KeyboardInterrupt):
        new(name).fit(train, y, validation, y_validation, rng=0)


def test_an_option_that_is_none_is_named(name):
    with pytest.raises(InputValueError, match=f"{name} has no option 'typo'"):
        label_method(name, typo=1)


def test_scanvi_wants_counts(problem):
    (train, y), (validation, y_validation), _ = problem
    with pytest.raises(InputScaleError, match=r"scanvi wants raw counts; .*layers.*counts"):
        label_method("scanvi").fit(replace(train, totals=None), y, validation, y_validation)


def test_scanvi_leaves_the_global_seeds_alone(problem):
    (train, y), (validation, y_validation), _ = problem
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    label_method("scanvi", max_epochs=1, max_epochs_scanvi=1).fit(
        train, y, validation, y_validation, unlabeled=validation
    )
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    assert np.random.get_state()[2] == numpy_state[2]  # noqa: NPY002


def test_celltypist_s_choice_of_genes_keeps_those_of_the_classes(problem):
    (train, y), (validation, y_validation), (test, y_test) = problem
    few = label_method("sgd_genes", top_genes=10).fit(train, y, validation, y_validation)
    assert len(few.genes) <= 40
    assert (few.genes < 80).mean() > 0.7
    assert (few.scores(test).argmax(axis=1) == y_test).mean() > 0.85


def test_tuning_among_close_classes_sees_what_all_genes_together_hide():
    """Classes 0 and 1 differ in six genes, among those that tell six other classes apart."""
    rng, labels = np.random.default_rng(3), np.arange(400) % 8
    rate = np.full((400, 400), 0.6)
    for c in range(8):
        rate[labels == c, 50 * max(c - 1, 0) : 50 * max(c, 1)] = 2
    rate[labels == 0, 390:393], rate[labels == 1, 393:396] = 2, 2
    x = np.log1p(rng.poisson(rate).astype(np.float32))
    cells, none = Cells(sp.csr_array(x), x), np.array([], dtype=np.int64)
    train, test = np.arange(200), np.arange(200, 400)
    right = {}
    for tune in (0, 0.1):
        method = label_method("spearman_genes", n_genes=4, tune=tune)
        method.fit(cells.take(train), labels[train], cells.take(none), none)
        right[tune] = (method.scores(cells.take(test)).argmax(axis=1) == labels[test]).mean()
    assert right[0.1] > right[0] + 0.05


def test_a_typo_names_the_methods():
    with pytest.raises(
        InputValueError,
        match="no annotation method 'scgraft'; the methods are auto, scgrapht, scbignn, logreg_pca, ",
    ):
        label_method("scgraft")


def test_every_registry_has_its_baselines():
    assert sum(e.kind == "baseline" for e in METHODS.values()) >= 2


def test_of_thousands_of_classes_a_fit_is_cut_short(monkeypatch):
    from scgnn_tools.labels import logreg

    monkeypatch.setattr(logreg, "MANY", 5)
    x = np.repeat(np.eye(6), 4, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(24, 6))
    labels = np.repeat(np.arange(6), 4)
    head = logreg.LinearHead().fit(x, labels)  # without a warning that it did not converge
    assert (head.scores(x).argmax(axis=1) == labels).all()
