"""The rows of cells that ask are the rows that they would have in a graph where nobody hears from them."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.graphs import Graph, first_product
from scgnn_tools.labels.scgrapht.network import PathwayNetwork
from scgnn_tools.labels.scgrapht.pathway import parse

RNG = np.random.default_rng(0)
CELLS = sp.csr_array(RNG.poisson(0.6, (30, 12)).astype(np.float32))
QUERY = sp.csr_array(RNG.poisson(0.6, (9, 12)).astype(np.float32))
VECTORS, QUERY_VECTORS = RNG.normal(size=(30, 5)).astype(np.float32), RNG.normal(size=(9, 5)).astype(np.float32)
PATHS = ["GG-CG", "GC-CG", "CG-CC", "CC-CC", "CG", "CC", "CG-GC-CG", "GC-CG-CC", "CC-CC-CC"]


def cosines(a, b):
    a, b = ((x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)) for x in (a, b))
    return a @ b.T


def dense_matrices(n_query, normalize, known=None):
    """The four matrices over 30 cells of the graph and some that ask, which no one hears from, written out."""
    x, q = CELLS.toarray().astype(float), QUERY.toarray().astype(float)[:n_query]
    both = np.vstack([x, q])
    cc = np.zeros((30 + n_query, 30 + n_query))
    cc[:, :30] = cosines(both, x)
    own = np.arange(30, 30 + n_query)
    cc[own, own] = (q.sum(axis=1) > 0).astype(float)
    gc = np.hstack([x.T, np.zeros((12, n_query))])
    gg = cosines(x.T, x.T) if known is None else known
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = lambda v: np.where(v > 0, 1 / np.where(v > 0, v, 1), 0)  # noqa: E731
        if normalize == "none":
            return {"CG": both, "GC": gc, "CC": cc, "GG": gg}
        if normalize == "row":
            return {
                k: m * inverse(m.sum(axis=1))[:, None] for k, m in (("CG", both), ("GC", gc), ("CC", cc), ("GG", gg))
            }
        genes, cells = inverse(np.sqrt(x.sum(axis=0))), inverse(np.sqrt(both.sum(axis=1)))
        degree = inverse(np.sqrt(cc.sum(axis=1)))
        g, sent = inverse(np.sqrt(gg.sum(axis=1))), inverse(np.sqrt(gg.sum(axis=0)))
        return {
            "CG": cells[:, None] * both * genes,
            "GC": genes[:, None] * gc * cells,
            "CC": degree[:, None] * cc * degree,
            "GG": g[:, None] * gg * sent,
        }


def dense_forward(network, steps, matrices, x):
    h = torch.as_tensor(x, dtype=torch.float32)
    for i, step in enumerate(steps):
        conv = network.convs[i]
        h = network.norms[i](torch.as_tensor(matrices[step], dtype=torch.float32) @ (h @ conv.weight) + conv.bias)
        h = h if i == 0 else torch.nn.functional.leaky_relu(h, 0.01)
    return torch.log_softmax(network.head(h), dim=1).detach().numpy()


def ours(path, normalize, *, vectors, cells=QUERY, query_vectors=QUERY_VECTORS, sparsify="whole", known=None):
    steps = parse(path)
    graph = Graph(steps, CELLS, normalize, sparsify, gene_graph=known)
    with_vectors = vectors and steps[0][1] == "C"
    first = first_product(graph, VECTORS) if with_vectors else None
    assembler = Assembler(graph, first, VECTORS if with_vectors else None, torch.device("cpu"))
    torch.default_generator.manual_seed(0)
    network = PathwayNetwork(steps, 5 if with_vectors else {"C": 30, "G": 12}[steps[0][1]], 3, width=16).eval()
    with torch.no_grad():
        inputs = network.inputs(assembler.nodes())
        members = network.classify(network.asked(assembler.members(np.arange(30)), inputs)).numpy()
        asked = network.classify(network.asked(assembler.asked(cells, query_vectors if with_vectors else None), inputs))
    return network, members, asked.numpy()


@pytest.mark.parametrize("normalize", ["none", "row", "sym"])
@pytest.mark.parametrize("path", PATHS)
def test_sparse_and_folded_is_dense_written_out(path, normalize):
    network, members, asked = ours(path, normalize, vectors=True)
    steps = parse(path)
    x = np.vstack([VECTORS, QUERY_VECTORS]) if steps[0][1] == "C" else np.eye(12)
    expected = dense_forward(network, steps, dense_matrices(9, normalize), x)
    np.testing.assert_allclose(members, expected[:30], atol=2e-4)
    np.testing.assert_allclose(asked, expected[30:], atol=2e-4)


@pytest.mark.parametrize("normalize", ["none", "row", "sym"])
@pytest.mark.parametrize("path", ["GG-CG", "GG-GG-CG", "GC-GG-CG"])
def test_a_known_graph_of_genes_is_in_the_place_of_the_cosines(path, normalize):
    known = np.where(RNG.random((12, 12)) < 0.2, RNG.uniform(0.5, 2, (12, 12)), 0) + np.eye(12)
    network, members, asked = ours(path, normalize, vectors=True, known=sp.csr_array(known.astype(np.float32)))
    x = np.vstack([VECTORS, QUERY_VECTORS]) if path[1] == "C" else np.eye(12)
    for graph, same in ((known, True), (known.T, False)):  # the receiver is in the row
        expected = dense_forward(network, parse(path), dense_matrices(9, normalize, graph), x)
        assert np.allclose(members, expected[:30], atol=2e-4) == same
        assert np.allclose(asked, expected[30:], atol=2e-4) == same


@pytest.mark.parametrize("path", ["GC-CG", "CC-CC", "CC"])
def test_the_identity_of_cells_is_never_made(path):
    network, members, asked = ours(path, "row", vectors=False)
    x = np.vstack([np.eye(30), np.zeros((9, 30))])  # who asks is none of the graph's cells
    expected = dense_forward(network, parse(path), dense_matrices(9, "row"), x)
    np.testing.assert_allclose(members, expected[:30], atol=2e-4)
    np.testing.assert_allclose(asked, expected[30:], atol=2e-4)


@pytest.mark.parametrize("sparsify", ["whole", 4, 0.3, "adaptive"])
@pytest.mark.parametrize("path", PATHS)
def test_who_else_asks_changes_nothing(path, sparsify):
    _, _, together = ours(path, "row", vectors=True, sparsify=sparsify)
    for i in (0, 5):
        _, _, alone = ours(
            path, "row", vectors=True, sparsify=sparsify, cells=QUERY[i : i + 1], query_vectors=QUERY_VECTORS[i : i + 1]
        )
        np.testing.assert_allclose(alone[0], together[i], atol=1e-5)


@pytest.mark.parametrize("sparsify", ["whole", 4, 0.3, "adaptive"])
@pytest.mark.parametrize("normalize", ["none", "row", "sym"])
def test_cells_of_the_graph_that_ask_get_the_rows_that_they_have(normalize, sparsify):
    """In a transductive run the cells to label are in the graph: asking again gives what they have there."""
    cells = (
        CELLS.multiply(RNG.uniform(0.5, 1.5, CELLS.shape)).tocsr().astype(np.float32)
    )  # without ties among neighbours
    graph = Graph(("CC", "CC"), cells, normalize, sparsify, attached=False)
    assembler = Assembler(graph, first_product(graph, VECTORS), VECTORS, torch.device("cpu"))
    network = PathwayNetwork(graph.steps, 5, 3, width=16).eval()
    full = np.flatnonzero(np.diff(cells.indptr) > 0)
    with torch.no_grad():
        nodes = assembler.nodes()
        there = network(nodes, assembler.members(full))
        asked = network(nodes, assembler.asked(sp.csr_array(cells[full]), VECTORS[full]))
    np.testing.assert_allclose(asked, there, atol=1e-4)


def test_cells_without_expression_are_finite():
    empty = sp.csr_array((2, 12), dtype=np.float32)
    for path in PATHS:
        for normalize in ("none", "row", "sym"):
            _, _, asked = ours(path, normalize, vectors=True, cells=empty, query_vectors=np.zeros((2, 5), np.float32))
            assert np.isfinite(asked).all()
