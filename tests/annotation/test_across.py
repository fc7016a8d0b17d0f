import numpy as np
import pytest
from tests.labels.conftest import make

from scgnn_tools.annotation.across import holdouts
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.run import run, train

NAMES = np.array(["B", "T", "NK", "Mono"])


@pytest.fixture(scope="module")
def two():
    """Two experiments, the second of which is shifted."""
    (a, y), (b, z) = make(120, rng=np.random.default_rng(0)), make(120, rng=np.random.default_rng(1), shift=2.0)
    return a.beside(b), np.r_[y, z], np.repeat([0, 1], 120)


def test_experiments_are_held_out_whole(two):
    _, y, experiments = two
    for one in holdouts(y, experiments):
        assert set(experiments[one.others]).isdisjoint(experiments[one.asked])
    assert len(holdouts(y, np.arange(240) % 12)) == 5
    y = np.where(experiments == 1, y + 4, y)
    assert holdouts(y, experiments) == []


def test_score_temperature_and_sets_are_those_of_held_out_experiments(two):
    cells, y, experiments = two
    how = {"method": "logreg_pca", "coverage": 0.9, "reject": False}
    inside, outside = train(cells, NAMES[y], **how), train(cells, NAMES[y], experiments=experiments, **how)
    assert (inside.report.held_out, outside.report.held_out) == ("cells", "experiments")
    assert "within one experiment" in inside.report.verdict
    assert "experiments that it had not seen" in outside.report.verdict
    table = outside.report.evaluation
    assert table["n"].unique() == [240]
    assert (table["lowest_accuracy"] <= table["accuracy"] + 1e-9).all()
    assert table.loc["logreg_pca", "accuracy"] < inside.report.evaluation.loc["logreg_pca", "accuracy"] + 1e-9
    assert outside.report.conformal["n_calibration"] == 240
    assert outside.report.confusion.to_numpy().sum() == 240


def test_neither_the_order_of_cells_nor_the_names_of_experiments_decide_anything(two):
    cells, y, _ = two
    experiments, order = np.arange(240) % 4, np.random.default_rng(0).permutation(240)
    how = {"method": "logreg_pca", "coverage": 0.9}
    first = run(cells, NAMES[y], Query.of(cells), experiments=experiments, **how)
    other = run(cells.take(order), NAMES[y][order], Query.of(cells), experiments=(9 - experiments)[order], **how)
    np.testing.assert_allclose(other.proba, first.proba, atol=1e-6)
    np.testing.assert_array_equal(other.sets, first.sets)
    assert other.report.verdict == first.report.verdict


def test_a_class_of_one_experiment_is_labelled_and_not_scored(two):
    cells, y, experiments = two
    y = np.where((experiments == 1) & (y == 3), 4, y)
    names = np.array([*NAMES, "Platelet"])
    got = run(cells, names[y], Query.of(cells), method="centroid", experiments=experiments, reject=False)
    assert "Platelet" in got.classes
    assert got.report.confusion.loc["Platelet"].sum() == 0
    assert (got.classes[got.proba.argmax(axis=1)] == names[y]).mean() > 0.7


def test_sets_cover_an_experiment_that_was_not_seen(two):
    cells, y, experiments = two
    third, z = make(200, rng=np.random.default_rng(2), shift=1.0)
    how = {"method": "logreg_pca", "coverage": 0.9, "reject": False}
    got = run(cells, NAMES[y], Query.of(third), experiments=experiments, **how)
    at = np.searchsorted(got.classes, NAMES[z])
    assert got.sets[np.arange(200), at].mean() > 0.86


def test_ctrl_c_between_trainings_keeps_the_method_that_labels(two, monkeypatch):
    from scgnn_tools.annotation import across

    fit, calls = across.fit, []

    def twice(*args):
        calls.append(args[0])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(*args)

    monkeypatch.setattr(across, "fit", twice)
    cells, y, experiments = two
    with pytest.warns(match="the training was interrupted"):
        got = train(cells, NAMES[y], method="centroid", experiments=experiments, reject=False, coverage=0.9)
    assert got.interrupted
    assert "too few labelled cells" in got.report.verdict
    assert got.label(Query.of(cells)).proba.shape == (240, 4)
