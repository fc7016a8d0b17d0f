"""The two variants of the network against plain loops over edges, and co-expression edges against dense correlations."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch.nn import Linear
from torch.nn.functional import relu

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools.data import Tokens
from scgnn_tools.fm import saves
from scgnn_tools.fm.cgc import CGCModel
from scgnn_tools.fm.cgc.coexpressed import with_coexpression
from scgnn_tools.fm.cgc.graph import gene_graph
from scgnn_tools.fm.cgc.messages import GraphLayer, PaperGraphLayer

GENES = np.array([f"G{i}" for i in range(30)], dtype=object)
SIZES = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "n_graph_layers": 2, "dropout": 0.0}


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"source": rng.choice(GENES, 90), "target": rng.choice(GENES, 90)})
    return gene_graph(GENES, tf_target=pairs, positions=None)


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    return sp.csr_array(rng.poisson(1.0, size=(6, 30)).astype(np.float32))


def edges_of(model: CGCModel, tokens: Tokens):
    both = model.sizes.variant == "paper"
    thinning = model.sizes.thinning
    return model.graph.of_cells(tokens, model.gene_of_state(tokens), both_ways=both, thinning=thinning)


def mlp(m, x):
    return m.third(relu(m.second(relu(m.first(x)))))


def paper_by_hand(layer: PaperGraphLayer, x, e, edges):
    out = torch.zeros_like(x)
    for i in range(len(x)):
        into = [k for k in range(edges.n_edges) if edges.target[k] == i]
        for k in into:
            out[i] += mlp(layer.message, torch.cat([x[edges.source[k]], e[k], x[i]])) / len(into)
    if layer.edge is None:
        return out, e
    ends = [(int(s), int(t)) for s, t in zip(edges.source, edges.target, strict=True)]
    return out, torch.stack([mlp(layer.edge, torch.cat([x[s], e[k], x[t]])) for k, (s, t) in enumerate(ends)])


def repo_by_hand(layer: GraphLayer, x, e, edges):
    ends = [(int(s), int(t)) for s, t in zip(edges.source, edges.target, strict=True)]
    e = torch.stack(
        [layer.edge_norm(e[k] + layer.edge(torch.cat([x[s], e[k], x[t]]))) for k, (s, t) in enumerate(ends)]
    )
    mean = torch.zeros_like(x)
    for i in range(len(x)):
        into = [k for k, (_, t) in enumerate(ends) if t == i]
        for k in into:
            mean[i] += layer.message(torch.cat([x[ends[k][0]], e[k], x[i]])) / len(into)
    return layer.norm(x + mean), e


@pytest.mark.parametrize(("variant", "by_hand"), [("paper", paper_by_hand), ("repo", repo_by_hand)])
def test_messages_are_those_of_a_loop_over_edges(graph, rows, variant, by_hand):
    model = CGCModel.untrained(GENES, graph=graph, variant=variant, device="cpu", **SIZES)
    tokens = model.tokenize_rows(rows, "counts", None)
    edges = edges_of(model, tokens)
    with torch.no_grad():
        x, e = torch.randn(len(tokens.ids), 16), model.network.edges(edges)
        for layer in model.network.graph:
            got, expected = layer(x, e, edges), by_hand(layer, x, e, edges)
            np.testing.assert_allclose(got[0], expected[0], atol=1e-5)
            np.testing.assert_allclose(got[1], expected[1], atol=1e-5)
            x, e = got


def test_layers_of_the_paper_are_its_equations(graph, rows):
    """Equations 5 to 7 over two layers, dense: genes and edges of layer k from genes and edges of layer k - 1."""
    model = CGCModel.untrained(GENES, graph=graph, variant="paper", device="cpu", **SIZES)
    tokens = model.tokenize_rows(rows[:1], "counts", None)
    edges, n = edges_of(model, tokens), len(tokens.ids)
    with torch.no_grad():
        first, e = torch.randn(n, 16), model.network.edges(edges)
        x, E, A = first, torch.zeros(n, n, 16), torch.zeros(n, n, 1)  # [i, j]: from j to i
        E[edges.target, edges.source], A[edges.target, edges.source] = e, 1
        for layer in model.network.graph:
            triples = torch.cat([x.expand(n, n, 16), E, x.unsqueeze(1).expand(n, n, 16)], dim=-1)
            x = (A * mlp(layer.message, triples)).sum(dim=1) / A.sum(dim=1)
            E = A * mlp(layer.edge, triples) if layer.edge is not None else E
        got = first
        for layer in model.network.graph:
            got, e = layer(got, e, edges)
        np.testing.assert_allclose(got, x, atol=1e-5)
        np.testing.assert_allclose(e, E[edges.target, edges.source], atol=1e-5)


def test_the_paper_links_cell_and_genes_both_ways_and_has_no_batch_norm(graph, rows):
    paper, repo = (CGCModel.untrained(GENES, graph=graph, variant=v, device="cpu", **SIZES) for v in ("paper", "repo"))
    tokens = paper.tokenize_rows(rows, "counts", None)
    first = np.repeat(tokens.offsets[:-1], tokens.lengths)
    edges, fewer = edges_of(paper, tokens), edges_of(repo, tokens)
    out_of_cells = np.isin(edges.source, tokens.offsets[:-1])
    assert set(edges.target[out_of_cells].tolist()) == set(np.flatnonzero(np.arange(len(first)) != first))
    assert edges.n_edges == fewer.n_edges + out_of_cells.sum()
    networks = {"paper": paper.network, "repo": repo.network}
    names = set(paper.network.state_dict())
    assert not any(n.startswith("batch_norm") for n in names)
    assert {"values.linear3.weight", "cell_to_gene.query.third.weight"} <= names
    linear = {v: sum(isinstance(m, Linear) for m in n.edges.correlation) for v, n in networks.items()}
    assert linear == {"paper": 3, "repo": 2}


@pytest.mark.parametrize("variant", ["paper", "repo"])
def test_a_variant_trains_every_weight_and_comes_back(graph, rows, tmp_path, variant):
    text = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    model = CGCModel.untrained(GENES, graph=graph, text=text, variant=variant, device="cpu", **SIZES)
    tokens = model.tokenize_rows(rows, "counts", None)
    at = np.flatnonzero(model.is_gene(tokens))[::3]
    model.network.requires_grad_(True)
    model.masked_loss(tokens, at, np.random.default_rng(0)).backward()
    lost = [n for n, p in model.network.named_parameters() if p.grad is None and not n.startswith("classifier.")]
    assert not lost
    model.network.requires_grad_(False)
    model.save(tmp_path / "model")
    again = sgt.fm.load("cgc", checkpoint=tmp_path / "model", device="cpu")
    assert again.sizes == model.sizes
    assert torch.equal(again.forward(tokens), model.forward(tokens))


def test_hidden_values_do_not_reach_their_own_prediction(graph, rows):
    """What stands for a hidden bin is the same whatever the bin was, in the cell's graph too."""
    for variant in ("paper", "repo"):
        model = CGCModel.untrained(GENES, graph=graph, variant=variant, device="cpu", **SIZES)
        tokens = model.tokenize_rows(rows, "counts", None)
        at = np.flatnonzero(model.is_gene(tokens))[::3]
        other = Tokens(tokens.ids, tokens.values.copy(), tokens.offsets)
        other.values[at] = 50 - other.values[at]
        with torch.no_grad():
            assert torch.equal(model.masked_states(tokens, at), model.masked_states(other, at))


def test_thinning_is_that_of_the_variant_unless_said(graph, rows, tmp_path):
    made = {v: CGCModel.untrained(GENES, graph=graph, variant=v, device="cpu", **SIZES) for v in ("paper", "repo")}
    assert {v: m.sizes.thinning for v, m in made.items()} == {"paper": None, "repo": "strongest"}
    own = CGCModel.untrained(GENES, graph=graph, thinning="random", device="cpu", **SIZES)
    own.save(tmp_path / "own")
    assert sgt.fm.load("cgc", checkpoint=tmp_path / "own", device="cpu").sizes.thinning == "random"
    assert sgt.fm.load("cgc", checkpoint=tmp_path / "own", thinning=None, device="cpu").sizes.thinning is None
    with pytest.raises(InputValueError, match="'strongest', 'random' or None; got 'some'"):
        CGCModel.untrained(GENES, graph=graph, thinning="some", **SIZES)


@pytest.mark.parametrize("variant", ["repo", "paper"])
def test_folders_of_earlier_saves(graph, rows, tmp_path, variant):
    """They name no thinning: those of the code load as they were, those of other equations than the paper's are refused."""
    model = CGCModel.untrained(GENES, graph=graph, variant=variant, device="cpu", **SIZES)
    model.save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / saves.CONFIG).read_text())
    del config["thinning"]
    saves.seal(tmp_path / "model", config)
    if variant == "paper":
        with pytest.raises(WeightsError, match=r"earlier version.*Train it again"):
            sgt.fm.load("cgc", checkpoint=tmp_path / "model", device="cpu")
    else:
        again = sgt.fm.load("cgc", checkpoint=tmp_path / "model", device="cpu")
        tokens = model.tokenize_rows(rows, "counts", None)
        assert again.sizes == model.sizes
        assert torch.equal(again.forward(tokens), model.forward(tokens))


def test_no_such_variant(graph):
    with pytest.raises(InputValueError, match="variant is 'repo' or 'paper'; got 'thesis'"):
        CGCModel.untrained(GENES, graph=graph, variant="thesis", **SIZES)


@pytest.fixture
def expression():
    """60 cells: gene 1 follows gene 0, gene 2 goes against it, genes 3 and 4 are expressed in one cell."""
    rng = np.random.default_rng(2)
    x = rng.poisson(2.0, size=(60, 30)).astype(np.float32)
    x[:, 1], x[:, 2] = x[:, 0] + (rng.random(60) < 0.1), 9 - x[:, 0]
    x[:, 3:5] = 0
    x[7, 3:5] = 3
    return sp.csr_array(np.log1p(x))


@pytest.mark.parametrize("variant", ["paper", "repo"])
def test_coexpression_edges_are_those_of_the_dense_correlations(graph, expression, variant):
    both = with_coexpression(graph, expression, variant=variant)
    dense = expression.toarray()
    dense[:, (dense > 0).sum(axis=0) < 10] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.nan_to_num(np.corrcoef(dense.T))
    np.fill_diagonal(r, 0)
    linked = (r if variant == "paper" else np.abs(r)) >= 0.6
    own = {(s, int(t)) for s in range(30) for t in graph.targets[graph.offsets[s] : graph.offsets[s + 1]]}
    assert linked[0, 1]
    assert linked[0, 2] == (variant == "repo")
    got = {}
    for s in range(30):
        for k in range(both.offsets[s], both.offsets[s + 1]):
            got[s, int(both.targets[k])] = (both.regulates[k], both.correlation[k])
    fresh = set(zip(*map(np.ndarray.tolist, np.nonzero(linked)), strict=True))
    assert set(got) == own | fresh
    for pair, (regulates, correlation) in got.items():
        assert regulates == (pair in own)
        if variant == "repo" and pair[0] != pair[1]:
            assert correlation == pytest.approx(r[pair], abs=1e-5)
        elif variant == "paper":
            assert correlation == pytest.approx(r[pair] if pair in fresh else 0, abs=1e-5)


def test_two_genes_of_one_cell_are_no_edge(graph, expression):
    seen = with_coexpression(graph, expression)
    assert not any(t == 4 for t in seen.targets[seen.offsets[3] : seen.offsets[4]] if (3, 4) not in edges_in(graph))
    every = with_coexpression(graph, expression, least_cells=1)
    assert 4 in every.targets[every.offsets[3] : every.offsets[4]]


def edges_in(graph):
    return {(s, int(t)) for s in range(30) for t in graph.targets[graph.offsets[s] : graph.offsets[s + 1]]}
