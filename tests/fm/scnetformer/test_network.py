"""scNetFormer against Geneformer and against plain loops: what the graph adds, and what it must not tell."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import scgnn_tools as sgt
from scgnn_tools import genes as package_genes
from scgnn_tools._errors import GraphError, InputValueError, WeightsError
from scgnn_tools.fm.geneformer import Geneformer
from scgnn_tools.fm.scnetformer import ScNetFormer, TokenGraph, card
from scgnn_tools.fm.scnetformer.contrastive import info_nce
from scgnn_tools.fm.scnetformer.graph import token_graph
from scgnn_tools.nn import Segments
from scgnn_tools.nn.attention import attention, attention_along

N = 60
GENES = package_genes.prior()["target"].drop_duplicates().to_numpy()[:N].astype(object)
SIZES = {"dim": 16, "heads": 2, "hidden": 32, "n_layers": 2, "max_length": 64, "dropout": 0.0, "device": "cpu"}


def random_graph(seed=0, share=0.08):
    return sp.csr_array((np.random.default_rng(seed).random((N, N)) < share).astype(np.float32))


@pytest.fixture
def geneformer():
    model = Geneformer.untrained(GENES, np.ones(N), **SIZES)
    with torch.no_grad():
        for p in model.network.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return model


@pytest.fixture
def tokens(geneformer):
    rng = np.random.default_rng(1)
    counts = sp.csr_array(rng.poisson(rng.gamma(1.0, 1.0, size=(7, 1)), size=(7, N)).astype(np.float32))
    return geneformer.tokenize_rows(counts, "counts", None)


def make(geneformer, graph=None, **options) -> ScNetFormer:
    graph = TokenGraph({"": random_graph()}) if graph is None else graph
    return ScNetFormer.of(geneformer, card(), graph=graph, **options)


def opened(model: ScNetFormer, value=0.7) -> ScNetFormer:
    with torch.no_grad():
        model.network.gate.fill_(value)
    return model


@pytest.mark.parametrize("layers", [0, 2, 3])
def test_before_training_it_is_the_geneformer(geneformer, tokens, layers):
    model = make(geneformer, n_graph_layers=layers, contrast=0.1)
    for layer in (0, 1, -1):
        assert torch.equal(model.forward(tokens, layer=layer), geneformer.forward(tokens, layer=layer))
    at = np.flatnonzero(geneformer.is_gene(tokens))[::4]
    plain = make(geneformer, n_graph_layers=layers)
    losses = [m.masked_loss(tokens, at, np.random.default_rng(0)) for m in (geneformer, plain, model)]
    assert torch.equal(losses[0], losses[1])
    assert losses[2] > losses[1]


def test_an_empty_graph_is_the_geneformer_whatever_the_gate(geneformer, tokens):
    model = opened(make(geneformer, TokenGraph({"": sp.csr_array((N, N))}), contrast=0.5))
    np.testing.assert_allclose(model.forward(tokens, layer=-1), geneformer.forward(tokens, layer=-1), atol=1e-6)
    at = np.flatnonzero(geneformer.is_gene(tokens))[::4]
    losses = [float(m.masked_loss(tokens, at, np.random.default_rng(0))) for m in (geneformer, model)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


@pytest.mark.parametrize("layers", [2, 3])
def test_graph_features_are_those_of_dense_matrices(geneformer, tokens, layers):
    model = make(geneformer, n_graph_layers=layers)
    a = random_graph().toarray()
    a = ((a + a.T) > 0).astype(np.float32)
    np.fill_diagonal(a, 0)
    lonely = a.sum(axis=1) == 0
    a += np.eye(N, dtype=np.float32)
    s = torch.tensor(a / np.sqrt(np.outer(a.sum(axis=1), a.sum(axis=1))))
    h = model.network.genes.weight[model.ids_tensor]
    for i, conv in enumerate(model.network.graph):
        h = s @ (torch.relu(h) if i else h) @ conv.weight + conv.bias
    h[torch.tensor(lonely)] = 0
    gene = model.gene_of_state(tokens)
    np.testing.assert_allclose(model._fusion(tokens), h[torch.tensor(gene)], atol=1e-5)


def dense_attention(q, k, v, allowed):
    scores = torch.einsum("nhd,mhd->hnm", q, k) / q.shape[-1] ** 0.5
    return torch.einsum("hnm,mhd->nhd", scores.masked_fill(~allowed, float("-inf")).softmax(-1), v)


@pytest.mark.parametrize("heads", [None, (1,)])
def test_attention_along_edges_is_dense_attention_with_minus_infinity(heads):
    rng = np.random.default_rng(0)
    lengths = [5, 5, 1, 9, 5]
    segments = Segments(np.concatenate([[0], np.cumsum(lengths)]))
    n, h = sum(lengths), 3
    q, k, v = (torch.tensor(rng.normal(size=(n, h, 4)), dtype=torch.float32) for _ in range(3))
    special = torch.tensor(rng.random(n) < 0.1)
    source, target = [], []
    for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
        for i in range(a, b):
            for j in range(a, b):
                if rng.random() < 0.15:
                    source.append(i)
                    target.append(j)
    source, target = torch.tensor(source), torch.tensor(target)
    got = attention_along(q, k, v, segments, source=source, target=target, everywhere=special, heads=heads)
    for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
        allowed = torch.zeros(h, b - a, b - a, dtype=torch.bool)
        for i in range(a, b):
            for j in range(a, b):
                edge = bool((((source == i) & (target == j)) | ((source == j) & (target == i))).any())
                allowed[:, i - a, j - a] = edge or i == j or bool(special[i] | special[j])
        for head in range(h):
            if heads is not None and head not in heads:
                allowed[head] = True
        np.testing.assert_allclose(got[a:b], dense_attention(q[a:b], k[a:b], v[a:b], allowed), atol=1e-5)
    everything = torch.ones(n, dtype=torch.bool)
    free = attention_along(q, k, v, segments, source=source, target=target, everywhere=everything)
    np.testing.assert_allclose(free, attention(q, k, v, segments), atol=1e-5)


def test_a_cell_sees_neither_its_batch_nor_genes_that_are_no_neighbours(geneformer, tokens):
    model = opened(make(geneformer, masked_layers=(0, 1)))
    together = model.forward(tokens, layer=-1)
    for cell in range(tokens.n_cells):
        alone = model.forward(tokens.select(np.array([cell])), layer=-1)
        np.testing.assert_allclose(alone, together[tokens.offsets[cell] : tokens.offsets[cell + 1]], atol=1e-5)
    # without an edge, a token of the first block is a function of itself
    lone = make(geneformer, TokenGraph({"": sp.csr_array((N, N))}), n_graph_layers=0, masked_layers=(0, 1))
    once = tokens.select(np.array([0]))
    other = type(once)(once.ids.copy(), None, once.offsets)
    other.ids[1] = other.ids[0] + 1 if other.ids[0] + 1 not in once.ids else model.ids[-1]
    difference = (lone.forward(once, layer=-1) - lone.forward(other, layer=-1)).abs().sum(dim=1)
    assert difference[1] > 0
    assert difference.sum() == difference[1]


@pytest.mark.parametrize("options", [{}, {"masked_layers": (0, 1)}, {"masked_layers": (1,), "masked_heads": (0,)}])
def test_the_graph_does_not_tell_what_is_masked(geneformer, tokens, options):
    """Another gene under ``<mask>`` leaves every hidden state as it is."""
    model = opened(make(geneformer, contrast=0.1, **options))
    at = np.flatnonzero(model.is_gene(tokens))[::5]

    class Masks:
        def random(self, n):
            return np.zeros(n)  # every chosen token becomes <mask>

        def choice(self, *args, size=0, **kwargs):
            return np.zeros(0, dtype=np.int32)

    hidden = model._hide(tokens, at, Masks())
    assert (hidden.ids[at] == model.sizes.mask_id).all()
    other = type(tokens)(tokens.ids.copy(), None, tokens.offsets)
    other.ids[at] = np.roll(other.ids[at], 1)
    swapped = model._hide(other, at, Masks())
    assert torch.equal(model.forward(hidden, layer=-1), model.forward(swapped, layer=-1))
    edges = model.graph.edges(hidden, model.gene_of_state(hidden))
    assert not np.isin(edges, at).any()


def test_info_nce_is_the_loop():
    rng = np.random.default_rng(0)
    z = torch.tensor(rng.normal(size=(11, 6)), dtype=torch.float32)
    cell = torch.tensor([0] * 6 + [1] * 5)
    pairs = [(0, 1), (0, 3), (1, 0), (7, 8), (8, 7), (8, 10)]
    tau = 0.3
    by_anchor = {}
    for i, j in pairs:
        sims = {
            m: float(torch.cosine_similarity(z[i], z[m], dim=0)) / tau
            for m in range(11)
            if m != i and cell[m] == cell[i]
        }
        by_anchor.setdefault(i, []).append(np.log(sum(np.exp(s) for s in sims.values())) - sims[j])
    expected = np.mean([np.mean(v) for v in by_anchor.values()])
    source, target = torch.tensor(pairs).T
    assert float(info_nce(z, source, target, cell, temperature=tau)) == pytest.approx(expected, rel=1e-5)
    none = torch.zeros(0, dtype=torch.long)
    assert float(info_nce(z, none, none, cell, temperature=tau)) == 0


def test_cells_of_a_tissue_get_its_graph_and_others_the_union(geneformer, tokens):
    graphs = {"heart": random_graph(1), "lung": random_graph(2)}
    both = opened(make(geneformer, TokenGraph(graphs), masked_layers=(1,)))
    groups = np.array([0, 1, -1, 0, 1, -1, 0])
    grouped = type(tokens)(tokens.ids, None, tokens.offsets, groups)
    got = both.forward(grouped, layer=-1)
    union = sp.csr_array(graphs["heart"] + graphs["lung"])
    for g, graph in ((0, graphs["heart"]), (1, graphs["lung"]), (-1, union)):
        single = opened(make(geneformer, TokenGraph({"": graph}), masked_layers=(1,)))
        for cell in np.flatnonzero(groups == g):
            expected = single.forward(tokens.select(np.array([cell])), layer=-1)
            np.testing.assert_allclose(got[tokens.offsets[cell] : tokens.offsets[cell + 1]], expected, atol=1e-5)


def test_graphs_of_the_contrast_are_met_by_name(geneformer, tokens):
    tissues = {"heart": random_graph(1), "lung": random_graph(2)}
    of_lung = tokens.select(np.arange(tokens.n_cells))
    of_lung = type(tokens)(of_lung.ids, of_lung.values, of_lung.offsets, np.ones(tokens.n_cells, dtype=np.int64))
    model = make(
        geneformer, TokenGraph(tissues), contrast_graph=TokenGraph(dict(reversed(tissues.items()))), contrast=0.5
    )
    gene = model.gene_of_state(of_lung)
    for a, b in zip(model.contrast_graph.edges(of_lung, gene), model.graph.edges(of_lung, gene), strict=True):
        np.testing.assert_array_equal(a, b)
    shared = make(geneformer, TokenGraph(tissues), contrast_graph=TokenGraph({"": tissues["heart"]}), contrast=0.5)
    alone = TokenGraph({"": tissues["heart"]}).edges(type(tokens)(of_lung.ids, of_lung.values, of_lung.offsets), gene)
    for a, b in zip(shared.contrast_graph.edges(of_lung, gene), alone, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(GraphError, match="of other tissues than those of the network: brain, lung; wanted heart, lung"):
        make(
            geneformer,
            TokenGraph(tissues),
            contrast_graph=TokenGraph({"brain": tissues["heart"], "lung": tissues["lung"]}),
        )


def test_z_scores_are_cut_at_the_threshold():
    names = [f"G{i}" for i in range(N)]
    full = pd.DataFrame([(a, b) for a in names[:20] for b in names], columns=["tf", "gene"])
    full["score"] = np.random.default_rng(0).normal(size=len(full))
    graph = token_graph(full, lambda given: np.array([names.index(g) for g in given]), N, threshold=2.0)
    kept = full[(full["score"] > 2) & (full["tf"] != full["gene"])]
    assert graph.n_edges == len({frozenset(pair) for pair in kept[["tf", "gene"]].to_numpy().tolist()})


def test_every_weight_of_every_strategy_gets_a_gradient(geneformer, tokens):
    model = opened(make(geneformer, masked_layers=(1,), contrast=0.1, n_graph_layers=3))
    model.network.requires_grad_(True)
    at = np.flatnonzero(model.is_gene(tokens))[::4]
    model.masked_loss(tokens, at, np.random.default_rng(0)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.network.parameters())
    closed = make(geneformer)
    closed.network.requires_grad_(True)
    closed.masked_loss(tokens, at, np.random.default_rng(0)).backward()
    assert closed.network.gate.grad.abs() > 0  # the gate opens by itself


def test_it_comes_back_from_a_folder_and_damage_is_named(geneformer, tokens, tmp_path):
    model = opened(
        make(geneformer, TokenGraph({"a": random_graph(1), "b": random_graph(2)}), masked_layers=(0,), contrast=0.2)
    )
    model.save(tmp_path / "m")
    again = sgt.fm.load("scnetformer", checkpoint=tmp_path / "m", device="cpu")
    assert again.sizes == model.sizes
    assert again.graph.tissues == ("a", "b")
    assert torch.equal(again.forward(tokens), model.forward(tokens))
    assert again.card.gene_key == "symbol"
    (tmp_path / "m/graph.npz").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"graph\.npz is missing, damaged or was changed"):
        sgt.fm.load("scnetformer", checkpoint=tmp_path / "m")


def find(names):
    return pd.Index(GENES).get_indexer(names)


def test_edges_of_tables_above_a_threshold_both_ways():
    table = pd.DataFrame({"source": [*GENES[:3], "NOBODY", GENES[4]], "target": [*GENES[1:4], GENES[0], GENES[4]]})
    table["weight"] = [0.5, 1.5, 2.0, 3.0, 3.0]
    assert token_graph(table, find, N).n_edges == 3
    graph = token_graph(table, find, N, threshold=1.0)
    assert graph.n_edges == 2
    np.testing.assert_array_equal(np.argwhere(graph.union.toarray()), [[1, 2], [2, 1], [2, 3], [3, 2]])
    with pytest.raises(GraphError, match="None of the 5 edges"):
        token_graph(table, find, N, threshold=5.0)
    with pytest.raises(GraphError, match="of lung"):
        token_graph({"heart": table, "lung": table[3:]}, find, N)
    with pytest.raises(GraphError, match="there is none"):
        TokenGraph({})


@pytest.mark.parametrize(
    "options",
    [{"masked_layers": (2,)}, {"masked_layers": (0,), "masked_heads": (5,)}, {"contrast": -1.0}, {"temperature": 0.0}],
)
def test_options_out_of_range(geneformer, options):
    with pytest.raises(InputValueError, match="got"):
        make(geneformer, **options)


def test_attention_of_a_masked_last_block_is_not_read(geneformer):
    with pytest.raises(InputValueError, match="Mask other layers"):
        make(geneformer, masked_layers=(1,)).attention_received(None)
