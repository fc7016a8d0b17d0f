import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.annotation.explain import parts, without_dimensions, without_genes
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.labels.scgrapht import gradients


class Linear:
    """Scores that are linear in expression and vectors: what each adds is known."""

    rng = np.random.default_rng(0)
    on_genes, on_vectors = rng.normal(size=(120, 4)), rng.normal(size=(10, 4))

    def scores(self, cells):
        return cells.expression @ self.on_genes + cells.embedding @ self.on_vectors


@pytest.fixture(scope="module")
def graph(problem):
    (train, y), (validation, y_validation), _ = problem
    return label_method("scgrapht", pathway="P2", max_epochs=60, device="cpu").fit(train, y, validation, y_validation)


def log_proba(scores):
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def test_the_fall_without_a_gene_is_that_of_asking_again(problem):
    test, y = problem[2]
    genes = np.array([3, 25, 47, 110])
    got = without_genes(Linear(), test, y, genes)
    for i, g in enumerate(genes):
        x = test.expression.toarray()
        x[:, g] = 0
        import scipy.sparse as sp

        fall = log_proba(Linear().scores(test)) - log_proba(Linear().scores(Cells(sp.csr_array(x), test.embedding)))
        for c in range(4):
            assert got[i, c] == pytest.approx(fall[y == c, c].mean(), abs=1e-5)


def test_dimensions_and_a_class_without_cells(problem):
    test, y = problem[2]
    some = np.flatnonzero(y < 3)
    usual = test.embedding.mean(axis=0)
    got = without_dimensions(Linear(), test.take(some), y[some], usual)
    vectors = test.embedding.copy()
    vectors[:, 4] = usual[4]
    fall = log_proba(Linear().scores(test)) - log_proba(Linear().scores(Cells(test.expression, vectors)))
    assert got[4, 1] == pytest.approx(fall[y == 1, 1].mean(), abs=1e-5)
    assert np.isnan(got[:, 3]).all()


def test_the_genes_of_a_class_are_found_in_each_way(graph, problem):
    """Class c was made with genes 20c … 20c + 19."""
    test, y = problem[2]
    ways = {
        "occlusion": (without_genes(graph, test, y, np.arange(120)), np.arange(120)),
        "gradcam": gradients.gradcam(graph.fitted, test, y),
    }
    for name, (importance, genes) in ways.items():
        for c in range(4):
            best = genes[np.argsort(-importance[:, c])[:10]]
            assert np.mean(best // 20 == c) > 0.7, (name, c)


def test_the_dense_step_is_the_network(graph, problem):
    test, _ = problem[2]
    forward, states = gradients._forward(graph.fitted, logits=False)
    (block,) = gradients._blocks(graph.fitted, test, np.arange(len(test)))
    np.testing.assert_allclose(forward(block, states).detach().numpy(), graph.graph_scores(test), atol=1e-4)


def test_integrated_gradients_add_up_to_the_difference(graph, problem):
    pytest.importorskip("captum", reason="the extra [explain] is not installed")
    test, y = problem[2]
    some = np.flatnonzero(y == 2)[:5]
    got, _ = gradients.integrated_gradients(graph.fitted, test.take(some), y[some], n_steps=200)
    forward, states = gradients._forward(graph.fitted, logits=False)
    (block,) = gradients._blocks(graph.fitted, test, some)
    start = block.mean(dim=0, keepdim=True)
    difference = (forward(block, states) - forward(start.expand_as(block), states))[:, 2].mean().item()
    assert got[:, 2].sum() == pytest.approx(difference, rel=0.05)
    assert np.isnan(got[:, 0]).all()


def test_gradients_want_a_pathway_that_ends_at_the_genes(problem):
    (train, y), (validation, y_validation), (test, y_test) = problem
    other = label_method("scgrapht", pathway="P4", max_epochs=2, device="cpu").fit(train, y, validation, y_validation)
    with pytest.raises(InputValueError, match="where the pathway ends in CG; this one is CC-CC"):
        gradients.gradcam(other.fitted, test, y_test)


def test_the_parts_of_a_fused_method_and_of_another(graph, problem):
    test, y = problem[2]
    found = parts(graph, test)
    assert set(found) == {"graph", "vectors"}
    assert min((labels == y).mean() for labels in found.values()) > 0.8
