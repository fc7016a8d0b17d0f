"""The layers of scGraPhT give the numbers of the published code: four pathways, one and three layers, training and fusion."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools.labels.scgrapht import fusion
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.graphs import Graph, edge_values, first_product
from scgnn_tools.labels.scgrapht.network import PathwayNetwork
from scgnn_tools.labels.scgrapht.pathway import parse
from scgnn_tools.labels.scgrapht.similarity import cosine, unit_rows
from tests.golden._weights import fill, state

GOLDEN = np.load(Path(__file__).parent / "scgrapht.npz")
CASES = sorted({k.rsplit("/", 2)[0] for k in GOLDEN.files if "/" in k})
EDGES = sp.csr_array(GOLDEN["binned"] / np.float32(51))
LABELS = torch.from_numpy(GOLDEN["labels"])
NAMES = {"first_graph_conv_layer": "convs.0", "first_layer_norm": "norms.0", "linear": "head"}


def ours(name: str) -> str:
    """Return our name of a tensor of theirs."""
    stem, rest = name.removeprefix("gcn.").split(".", 1)
    if stem in NAMES:
        return f"{NAMES[stem]}.{rest}"
    i, rest = rest.split(".", 1)
    return f"{'convs' if stem == 'graph_conv_layers' else 'norms'}.{int(i) + 1}.{rest}"


def build(case: str, scheme: str, dropout: float = 0.2):
    """Return the network with their weights, and the rows of the nodes and of all cells."""
    path, kind = case.split("/")
    steps = parse(path)
    graph = Graph(steps, EDGES, normalize="none")
    vectors = fill("cell_emb", (40, 12)) if kind == "vectors" else None
    assembler = Assembler(
        graph, None if vectors is None else first_product(graph, vectors), vectors, torch.device("cpu")
    )
    network = PathwayNetwork(steps, {"vectors": 12, "genes": 30, "cells": 40}[kind], 5, dropout=dropout)
    theirs = state(GOLDEN[f"{case}/{scheme}/names"], GOLDEN[f"{case}/{scheme}/shapes"])
    weights = {ours(k): torch.from_numpy(v) for k, v in theirs.items()}
    surplus = {k for k in weights if k.startswith(f"convs.{len(steps)}.")}  # theirs has one more, which nothing uses
    assert len(surplus) == 2
    network.load_state_dict({k: v for k, v in weights.items() if k not in surplus})
    return network.eval(), assembler.nodes(), assembler.members(np.arange(40))


def fused(scores: torch.Tensor, scheme: str) -> torch.Tensor:
    if scheme == "graph":
        return scores
    other = torch.log_softmax(torch.from_numpy(fill("logits", (40, 5))), dim=1)
    return fusion.mix_tensors(torch.tensor(0.7), scores, other, "log")


def test_all_pathways_were_recorded():
    assert CASES == [
        "CC-CC/cells", "CC-CC/vectors", "CG-CC/genes", "CG-GC-CG/genes", "CG/genes", "GC-CG/cells", "GC-CG/vectors", "GG-CG/genes",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["graph", "fused"])
@pytest.mark.parametrize("case", CASES)
def test_scores(case, scheme):
    network, nodes, ask = build(case, scheme)
    with torch.no_grad():
        scores = fused(network(nodes, ask), scheme).numpy()
    np.testing.assert_allclose(scores, GOLDEN[f"{case}/{scheme}/scores"], atol=1e-5)


@pytest.mark.parametrize("scheme", ["graph", "fused"])
@pytest.mark.parametrize("case", CASES)
def test_five_steps_of_adam(case, scheme):
    network, nodes, ask = build(case, scheme, dropout=0.0)
    network.train()
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=5e-5), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.nll_loss(fused(network(nodes, ask), scheme)[:25], LABELS[:25])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, GOLDEN[f"{case}/{scheme}/losses"], atol=2e-5)
    with torch.no_grad():
        after = fused(network.eval()(nodes, ask), scheme).numpy()
    np.testing.assert_allclose(after, GOLDEN[f"{case}/{scheme}/after"], atol=5e-4)


def test_the_two_nearest_of_each_cell():
    """Theirs leave out the cell itself, ours keep it."""
    unit = unit_rows(EDGES)
    (graph,) = cosine(unit, unit, 2, among=True)
    dense = graph.toarray()
    kept = np.flatnonzero(
        np.diff(unit.indptr) > 0
    )  # a cell without expression is near nothing, and theirs links it all the same
    np.testing.assert_allclose(np.diag(dense)[kept], 1, atol=1e-6)
    np.fill_diagonal(dense, 0)
    np.testing.assert_allclose(dense, GOLDEN["order5"], atol=1e-6)


def test_binned_values_are_those_of_the_published_graph():
    counts = sp.csr_array(np.random.default_rng(1).poisson(2.0, (5, 60)).astype(np.float32))
    log = sp.csr_array((np.log1p(counts.data), counts.indices, counts.indptr), shape=counts.shape)
    values = edge_values(log, "binned")
    assert values.data.min() >= 1 / 51
    assert values.data.max() <= 50 / 51
    np.testing.assert_allclose(values.data * 51, np.round(values.data * 51), atol=1e-5)
