import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.perturbation import relations
from scgnn_tools.perturbation.bulk import METHODS, Experiments, knockout_method
from scgnn_tools.perturbation.bulk.labels import labels
from scgnn_tools.perturbation.bulk.prior import prior_edges
from scgnn_tools.perturbation.bulk.rates import of_changes, rates
from scgnn_tools.perturbation.bulk.two_step import classes

TARGETS = ["IFNGR1", "IFNGR2", "JAK1", "JAK2", "CDK2", "CDK4", "CCND1", "CCNE1"]
GENES = np.array([f"g{i}" for i in range(80)], dtype=object)


def experiments(n_classes=3, seed=0):
    """Two experiments a target; receptors and kinases let other genes fall, a few genes always rise."""
    rng = np.random.default_rng(seed)
    target = np.repeat(np.array(TARGETS, dtype=object), 2)
    change = 0.25 * rng.normal(size=(16, 80))
    change[:8, :15] -= 1.5
    change[8:, 15:30] -= 2.5
    change[:, 30:35] += 1.2
    log_fold, control = np.log(2), np.tile(rng.uniform(1, 5, size=80), (16, 1))
    label = labels(change, np.ones(change.shape, dtype=bool), target, GENES, log_fold, n_classes)
    related = relations([(t,) for t in TARGETS], ["go"])
    study = np.tile(np.array(["x", "y"], dtype=object), 8)
    return Experiments(
        target, study, change, label, control, GENES, related, np.zeros(change.shape, np.float32), log_fold, n_classes
    )


@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_classes_that_sum_to_one_and_never_looks_at_the_test_changes(name, n_classes):
    of = experiments(n_classes)
    train, test = np.r_[0:6, 8:14], np.array([6, 7, 14, 15])
    method = knockout_method(name, max_epochs=1, device="cpu")
    method.fit(of.take(train), rng=0)
    p, change = method.predict(of.take(test))
    assert p.shape == (4, 80, n_classes)
    np.testing.assert_allclose(p.sum(axis=2), 1, atol=1e-6)
    blind = Experiments(**{**vars(of.take(test)), "change": np.zeros((4, 80)), "label": np.full((4, 80), -1, np.int8)})
    np.testing.assert_array_equal(method.predict(blind)[0], p)
    assert change.shape == (4, 80)


def test_counting_finds_what_like_targets_change_and_the_frequency_only_what_all_do():
    of = experiments()
    train, test = np.r_[0:6, 8:14], np.array([6, 7, 14, 15])
    moved = {}
    for name in ("counting", "frequency", "nearest", "ridge"):
        method = knockout_method(name)
        method.fit(of.take(train))
        moved[name] = 1 - method.predict(of.take(test))[0][:, :, 1]
    own, other = np.r_[0:15], np.r_[15:30]
    for name in ("counting", "nearest", "ridge"):
        assert moved[name][:2, own].mean() > moved[name][:2, other].mean() + 0.2, name
    assert moved["frequency"][:2, own].mean() == pytest.approx(moved["frequency"][2:, own].mean())
    assert moved["frequency"][:, 30:35].min() > 0.7


def test_labels_by_fold_the_target_and_what_is_not_expressed_do_not_count():
    change = np.log(np.array([[0.1, 0.3, 0.6, 1.0, 1.9, 2.1, 6.0, 4.0]]))
    expressed = np.ones((1, 8), dtype=bool)
    expressed[0, 3] = False
    genes = np.array([*"abcdefgh"])
    three, five = (labels(change, expressed, np.array(["h"]), genes, np.log(2), k)[0].tolist() for k in (3, 5))
    assert three == [0, 0, 1, -1, 1, 2, 2, -1]
    assert five == [0, 1, 2, -1, 2, 3, 4, -1]


def test_rates_leave_the_own_target_out():
    of = experiments()
    found = rates(of)
    weights = found.all_but(np.array(["JAK2", "CDK2"], dtype=object))
    assert weights.sum(axis=1).tolist() == [7, 7]
    rate = found.weighted(weights)
    by_hand = of.label[of.target != "JAK2"]
    expected = ((by_hand == 0).sum(axis=0) + 2 * found.base[0]) / ((by_hand >= 0).sum(axis=0) + 2)
    np.testing.assert_allclose(rate[0, :, 0], expected)


def test_classes_out_of_a_change_and_out_of_two_steps():
    p = of_changes(np.array([[0.0, 2.0, -2.0]]), np.full(3, 0.2), np.log(2), 3)
    np.testing.assert_allclose(p[0].argmax(axis=1), [1, 2, 0])
    np.testing.assert_allclose(of_changes(np.zeros((1, 2)), np.ones(2), np.log(2), 5).sum(axis=2), 1)
    np.testing.assert_allclose(classes(np.array(0.4), np.array(0.25), 3), [0.3, 0.6, 0.1])
    np.testing.assert_allclose(classes(np.array(0.4), np.array(0.25), 5, (0.5, 0.2)), [0.15, 0.15, 0.6, 0.08, 0.02])


def test_edges_of_the_prior_have_their_sign():
    of = {
        m: sgt.genes.prior().query("source == 'STAT1' and mode == @m")["target"].iloc[0]
        for m in ("Activation", "Repression", "Unknown")
    }
    edges = prior_edges(np.array(["STAT1", "x"], dtype=object), np.array([*of.values(), "g"], dtype=object), "human")
    assert edges.tolist() == [[1, -1, 0.5, 0], [0, 0, 0, 0]]


def test_bad_names():
    with pytest.raises(InputValueError, match="no knock-out method 'count'"):
        knockout_method("count")
