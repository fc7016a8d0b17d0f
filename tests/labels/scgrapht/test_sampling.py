import numpy as np
import pytest
import scipy.sparse as sp
import torch
from tests.labels.scgrapht.test_method import accuracy, fit

from scgnn_tools.labels.scgrapht import sampling, training
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.graphs import Graph, first_product
from scgnn_tools.labels.scgrapht.network import PathwayNetwork
from scgnn_tools.labels.scgrapht.pathway import parse

PATHS = ["GG-CG", "GC-CG", "CG-CC", "CC-CC", "CG", "CG-GC-CG", "CC-CC-CC"]
RNG = np.random.default_rng(0)
CELLS = sp.csr_array(RNG.poisson(1.0, (120, 20)).astype(np.float32))
VECTORS = RNG.normal(size=(120, 6)).astype(np.float32)


def parts(path, sparsify):
    steps = parse(path)
    graph = Graph(steps, CELLS, "row", sparsify)
    vectors = VECTORS if steps[0][1] == "C" else None
    assembler = Assembler(
        graph, None if vectors is None else first_product(graph, vectors), vectors, torch.device("cpu")
    )
    return assembler, PathwayNetwork(steps, 6 if vectors is not None else 20, 3, width=16).eval()


@pytest.mark.parametrize("sparsify", ["whole", 5])
@pytest.mark.parametrize("path", PATHS)
def test_a_sample_that_is_all_is_exact(path, sparsify):
    assembler, network = parts(path, sparsify)
    seen = []
    with torch.no_grad():
        expected = network(assembler.nodes(), assembler.members(np.arange(100)))
        for nodes, rows, some in sampling.batches(assembler, np.arange(100), 32, np.random.default_rng(1)):
            np.testing.assert_allclose(network(nodes, rows), expected[some], atol=1e-5)
            seen.append(some)
    assert sorted(np.concatenate(seen)) == list(range(100))


@pytest.mark.parametrize(
    ("path", "sparsify"), [("GC-CG", "whole"), ("CG-CC", "whole"), ("CG-CC", 30), ("CG-GC-CG", "whole")]
)
def test_a_sample_is_smaller_and_right_on_average(path, sparsify, monkeypatch):
    monkeypatch.setattr(sampling, "CELLS", 40)
    monkeypatch.setattr(sampling, "NEIGHBORS", 8)
    assembler, _ = parts(path, sparsify)
    last = assembler.graph.steps[-1]
    step = last if last[1] == "C" else assembler.graph.steps[-2]
    matrix = assembler.matrix(step)
    dense = matrix[0].toarray() if len(matrix) == 1 else (matrix[0] @ matrix[1]).toarray()
    if sparsify != "whole":  # neighbours of each row
        monkeypatch.setattr(sampling, "CELLS", 10**6)
        kept = sampling._some_of_each(matrix[0], np.random.default_rng(0))
        assert np.diff(kept.indptr).max() == 8
        np.testing.assert_allclose(kept.sum(axis=1), dense.sum(axis=1), rtol=1e-5)
        return
    rng, ones, total = np.random.default_rng(0), np.random.default_rng(5).random((120, 1)), 0
    for _ in range(400):
        sample, columns = sampling._heard(matrix, cells=True, rng=rng)
        assert len(columns) == 40
        out = ones[columns]
        for m in reversed(sample):
            out = m @ out
        total = total + out
    np.testing.assert_allclose(total / 400, dense @ ones, rtol=0.15)


def test_four_partitions_give_the_logits_of_the_whole_on_interior_nodes():
    """A node whose neighbours, and theirs, are all in its part is answered as in the whole graph."""
    rng, part = np.random.default_rng(4), np.arange(160) % 4
    rates = np.where(np.arange(40)[None, :] // 10 == part[:, None], 3.0, 1.3)  # some cells lie between two parts
    cells, vectors = sp.csr_array(rng.poisson(rates).astype(np.float32)), rng.normal(size=(160, 6)).astype(np.float32)
    steps = parse("CC-CC")
    network = PathwayNetwork(steps, 6, 3, width=16).eval()

    def logits(rows):
        graph = Graph(steps, sp.csr_array(cells[rows]), "row", 4)
        assembler = Assembler(graph, first_product(graph, vectors[rows]), vectors[rows], torch.device("cpu"))
        with torch.no_grad():
            return network(assembler.nodes(), assembler.members(np.arange(len(rows)))).numpy(), assembler.matrix("CC")[
                0
            ]

    whole, edges = logits(np.arange(160))
    reach = (edges @ edges).toarray() > 0
    n_interior = 0
    for p in range(4):
        rows = np.flatnonzero(part == p)
        interior = ~reach[rows][:, part != p].any(axis=1)
        n_interior += interior.sum()
        own, _ = logits(rows)
        np.testing.assert_allclose(own[interior], whole[rows][interior], atol=1e-5)
    assert 40 < n_interior < 160


@pytest.mark.parametrize("pathway", ["P2", "P3", "P4", "CG-GC-CG"])
def test_mini_batches_learn_too(pathway, monkeypatch):
    monkeypatch.setattr(sampling, "CELLS", 60)
    method = fit(pathway=pathway, batch_size=50, sparsify=8, max_epochs=40)
    assert accuracy(method, method.graph_scores(_test())) > 0.85


def test_of_many_cells_the_default_takes_batches_where_they_are_exact(monkeypatch):
    def of(**options):
        return fit(max_epochs=6, **options).graph_scores(_test())

    whole = {pathway: of(pathway=pathway) for pathway in ("CG", "P2")}
    batches = of(pathway="CG", batch_size=50)
    monkeypatch.setattr(training, "EXACT_FULL_BATCH", 60)
    monkeypatch.setattr(training, "EXACT_BATCH", 50)
    np.testing.assert_array_equal(of(pathway="CG"), batches)
    assert np.abs(batches - whole["CG"]).max() > 1e-3
    np.testing.assert_array_equal(of(pathway="P2"), whole["P2"])  # would have to leave neighbours out


def _test():
    from tests.labels.scgrapht.test_method import TEST

    return TEST[0]
