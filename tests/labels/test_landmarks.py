import numpy as np
import pytest
from tests.labels.conftest import make

from scgnn_tools.labels.landmarks import landmarks
from scgnn_tools.labels.scbignn import ScBiGNN
from scgnn_tools.labels.scgrapht import ScGraPhT, build


@pytest.fixture(scope="module")
def cells():
    return make(300, rng=np.random.default_rng(2))


def test_all_where_they_are_few_and_every_class_where_they_are_many(cells):
    x, y = cells
    assert landmarks(x, 300).tolist() == list(range(300))
    y = np.where(np.arange(300) < 5, 9, y)
    some = landmarks(x, 60, y)
    assert len(some) == 60
    assert (np.bincount(y[some])[[0, 1, 2, 3, 9]] >= [13, 13, 13, 13, 5]).all()
    order = np.random.default_rng(3).permutation(300)
    assert set(order[landmarks(x.take(order), 60, y[order])]) == set(some)


def test_a_graph_of_landmarks_answers_the_others(cells, problem):
    x, y = cells
    (train, labels), (validation, validation_labels), _ = problem
    quick = {"n_tokens": 80, "epochs_genes": 8, "max_epochs": 25, "iterations": 1}
    made = ScBiGNN(**quick, most_cells=160, cells_e=60)
    made.fit(train, labels, validation, validation_labels, unlabeled=x, rng=0)
    assert len(made._fitted.h) == 100 + 60 + 40
    assert (made.scores(x).argmax(axis=1) == y).mean() > 0.9


def test_cells_that_ask_are_answered_by_chunks(problem, monkeypatch):
    (train, labels), (validation, validation_labels), (test, _) = problem
    made = ScBiGNN(n_tokens=80, epochs_genes=2, max_epochs=5, iterations=0).fit(
        train, labels, validation, validation_labels
    )
    whole = made.both(test)
    monkeypatch.setattr("scgnn_tools.labels.scbignn.fitted.CHUNK", 32)
    for a, b in zip(whole, made.both(test), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_pathway_over_cells_has_landmarks(cells, problem, monkeypatch):
    monkeypatch.setattr(build, "MOST", 80)
    (train, labels), (validation, validation_labels), _ = problem
    made = ScGraPhT(pathway="P3", max_epochs=40).fit(train, labels, validation, validation_labels, rng=0)
    assert made.fitted.assembler.graph.cells.shape[0] == 80
    x, y = cells
    assert (made.graph_scores(x).argmax(axis=1) == y).mean() > 0.85
    without = ScGraPhT(pathway="CG", max_epochs=3).fit(train, labels, validation, validation_labels, rng=0)
    assert without.fitted.assembler.graph.cells.shape[0] == 200
