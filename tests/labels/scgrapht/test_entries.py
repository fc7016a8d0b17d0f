from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.labels.conftest import make

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels import label_method
from scgnn_tools.labels.scgrapht import entries
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.experts import Given
from scgnn_tools.labels.scgrapht.graphs import first_product

D = 60


def planted(n, rng, d=D):
    """Cells of four classes, whose vectors are noise but for entries 2c and 2c + 1 of class c."""
    cells, labels = make(n, rng=rng)
    vectors = rng.normal(size=(n, d)).astype(np.float32) + 3  # all cells have most of their vectors in common
    for c in range(4):
        vectors[labels == c, 2 * c : 2 * c + 2] += 2
    return replace(cells, embedding=vectors), labels


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    return [planted(n, rng) for n in (240, 60, 80)]


def fit(cells, **options):
    (train, y), (validation, y_validation), _ = cells
    return label_method("scgrapht", max_epochs=40, device="cpu", **options).fit(train, y, validation, y_validation)


@pytest.fixture(scope="module")
def trained(cells):
    return {p: fit(cells, pathway=p) for p in ("P2", "P4", "CC")}


def moved_to(fitted, cells, scale, which):
    """Return the scores of the graph where some entries of all vectors are moved towards, or away from, their mean."""
    at = fitted.assembler
    mean = at.vectors.mean(axis=0)

    def moved(x):
        return np.where(which, mean + scale * (x - mean), x).astype(np.float32)

    vectors = moved(at.vectors)
    there = Assembler(at.graph, first_product(at.graph, vectors), vectors, at.device)
    intake = replace(fitted.intake, vectors=lambda some: moved(fitted.intake.vectors(some)))
    with torch.no_grad():
        inputs = fitted.network.inputs(there.nodes())
    return replace(fitted, assembler=there, intake=intake, inputs=inputs).graph_scores(cells)


@pytest.mark.parametrize("pathway", ["P2", "P4", "CC"])
def test_both_sides_name_the_entries_that_make_a_class(trained, cells, pathway):
    fitted, (test, y) = trained[pathway].fitted, cells[2]
    sides = entries.of_graph(fitted, test, y), entries.of_vectors(fitted, *cells[0], test, y)
    for importance in sides:
        assert importance.shape == (D, 4)
        for c in range(4):
            assert set(np.argsort(-importance[:, c])[:2]) == {2 * c, 2 * c + 1}


@pytest.mark.parametrize("pathway", ["P2", "P4", "CC"])
def test_the_importances_sum_to_what_the_logit_gains_from_the_mean_cell(trained, cells, pathway):
    fitted, (test, y) = trained[pathway].fitted, cells[2]
    gained = []
    for scale in (1.0, 0.0):
        scores = moved_to(fitted, test, scale, np.ones(D, bool))
        gained.append(np.array([(scores[y == c, c] - scores[y == c].mean(axis=1)).mean() for c in range(4)]))
    np.testing.assert_allclose(entries.of_graph(fitted, test, y).sum(axis=0), gained[0] - gained[1], rtol=0.01)


@pytest.mark.parametrize("pathway", ["P2", "P4", "CC"])
def test_at_the_cells_it_is_how_a_logit_changes_as_an_entry_moves_from_its_mean(trained, cells, pathway):
    fitted, (test, y) = trained[pathway].fitted, cells[2]

    def logit(entry, c, scale):
        scores = moved_to(fitted, test, scale, np.arange(D) == entry)
        return (scores[y == c, c] - scores[y == c].mean(axis=1)).mean()

    got = entries.of_graph(fitted, test, y, n_steps=1)
    for entry, c in ((2, 1), (3, 0), (40, 2)):
        change = (logit(entry, c, 1.05) - logit(entry, c, 0.95)) / 0.1
        assert got[entry, c] == pytest.approx(change, rel=0.02, abs=2e-3)


def test_at_the_cells_alone_a_layer_norm_hides_the_entries_and_the_papers_relu_shows_them(trained, cells):
    """Why the gradient is taken along the way; were this to change, it could be taken at the cells."""
    test, y = cells[2]
    planted = [{2 * c, 2 * c + 1} for c in range(4)]
    named = {}
    for name, method in (("norm", trained["P2"]), ("relu", fit(cells, pathway="P2", activation="paper"))):
        importance = entries.of_graph(method.fitted, test, y, n_steps=1)
        named[name] = sum(set(np.argsort(-importance[:, c])[:2]) == planted[c] for c in range(4))
    assert named["norm"] < 4
    assert named["relu"] == 4


def test_experts_and_a_function_of_the_same_vectors_agree(trained, cells):
    fitted, (test, y) = trained["P2"].fitted, cells[2]
    exact = entries.of_vectors(fitted, *cells[0], test, y)
    head = fitted.other.head

    def as_function(other):
        made = replace(fitted, other=Given(other))
        return entries.of_vectors(made, *cells[0], test, y)

    np.testing.assert_allclose(as_function(lambda some: head.scores(some.embedding)), exact, atol=0.01)
    assert np.isnan(as_function(lambda some: some.expression[:, :4].toarray())).all()  # it reads no vectors
    alone = entries.of_vectors(replace(fitted, other=None), *cells[0], test, y)
    np.testing.assert_allclose(alone, exact, atol=1e-6)


def test_a_unit_changes_nothing_and_a_class_without_cells_is_not_known(trained, cells):
    (train, y), _, (test, y_test) = cells
    fitted = trained["P2"].fitted
    some = np.flatnonzero(y_test < 3)
    unit = np.linspace(0.1, 10, D).astype(np.float32)
    scaled = [replace(c, embedding=c.embedding * unit) for c in (train, test)]
    alone = replace(fitted, other=None)
    before = entries.of_vectors(alone, train, y, test.take(some), y_test[some])
    after = entries.of_vectors(alone, scaled[0], y, scaled[1].take(some), y_test[some])
    np.testing.assert_allclose(after, before, atol=0.01)
    for importance in (before, entries.of_graph(fitted, test.take(some), y_test[some])):
        assert np.isnan(importance[:, 3]).all()
        assert np.isfinite(importance[:, :3]).all()


@pytest.mark.parametrize("options", [{"pathway": "P1"}, {"pathway": "P2", "scheme": "graph"}])
def test_a_graph_without_vectors_is_refused(cells, options):
    method = label_method("scgrapht", max_epochs=2, device="cpu", **options)
    method.fit(*cells[0], *cells[1])
    with pytest.raises(InputValueError, match=r"No vectors go into the graph .* Pass pathway='P2'"):
        entries.of_graph(method.fitted, *cells[2])
