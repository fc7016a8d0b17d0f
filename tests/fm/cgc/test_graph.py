import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools.data import Tokens
from scgnn_tools.fm.cgc.graph import LARGEST_DISTANCE, THINNING, gene_graph

GENES = np.array([f"G{i}" for i in range(40)], dtype=object)


@pytest.fixture
def sources():
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame({"source": rng.choice(GENES, 60), "target": rng.choice([*GENES, "ELSEWHERE"], 60)})
    positions = pd.DataFrame({
        "symbol": GENES[:30],
        "chromosome": np.repeat(["1", "2"], 15),
        "position": np.concatenate([np.arange(15) * 7, np.arange(15)]),
    })  # fmt: skip
    correlation = np.where(rng.random((40, 40)) < 0.05, rng.uniform(0.3, 1, (40, 40)), 0).astype(np.float32)
    return {"tf_target": pairs, "positions": positions, "coexpression": sp.csr_array(correlation)}


def by_hand(sources) -> dict[tuple[int, int], tuple[int, float, int]]:
    """Return {(source, target): (regulates, correlation, distance)} of the whole graph."""
    index, out = {g: i for i, g in enumerate(GENES)}, {}
    for a, b in zip(sources["tf_target"]["source"], sources["tf_target"]["target"], strict=True):
        if b in index:
            out[index[a], index[b]] = [1, 0.0, 0]
    place = sources["positions"]
    for i, a in place.iterrows():
        for j, b in place.iterrows():
            d = b["position"] - a["position"]
            if i != j and a["chromosome"] == b["chromosome"] and abs(d) < LARGEST_DISTANCE:
                out.setdefault((i, j), [0, 0.0, 0])[2] = d + LARGEST_DISTANCE + 1
    c = sources["coexpression"].toarray()
    for i, j in zip(*c.nonzero(), strict=True):
        if i != j:
            out.setdefault((i, j), [0, 0.0, 0])[1] = c[i, j]
    return {k: tuple(v) for k, v in out.items()}


def cells() -> tuple[Tokens, np.ndarray]:
    rng = np.random.default_rng(1)
    ids = [np.concatenate([[99], np.sort(rng.choice(40, n, replace=False))]) for n in (12, 1, 30)]
    tokens = Tokens(np.concatenate(ids).astype(np.int32), None, np.concatenate([[0], np.cumsum([len(i) for i in ids])]))
    return tokens, np.where(tokens.ids == 99, -1, tokens.ids).astype(np.int64)


def test_the_edges_of_cells_are_those_of_the_whole_graph_between_their_genes(sources):
    whole = by_hand(sources)
    graph = gene_graph(GENES, **sources)
    assert graph.n_edges == len(whole)
    tokens, gene = cells()
    edges = graph.of_cells(tokens, gene)
    got = {
        (int(s), int(t)): (int(r), pytest.approx(float(c)), int(d))
        for s, t, r, c, d in zip(
            edges.source, edges.target, edges.regulates, edges.correlation, edges.distance, strict=True
        )
    }
    expected = {}
    for a, b in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        for s in range(a + 1, b):
            expected[s, a] = (0, 0.0, 0)  # to the cell token
            for t in range(a + 1, b):
                if (gene[s], gene[t]) in whole:
                    expected[s, t] = whole[gene[s], gene[t]]
    assert len(edges.source) == len(expected)
    assert got == expected
    assert edges.targets.incoming.sum() == edges.n_edges
    assert (edges.targets.nodes[edges.targets.rank] == edges.target).all()


def test_crowded_cells_keep_their_strongest_coexpression_and_all_other_edges():
    rng = np.random.default_rng(0)
    dense = sp.csr_array(np.triu(rng.uniform(0.1, 1, (40, 40)), 1).astype(np.float32))
    pairs = pd.DataFrame({"source": ["G0", "G5"], "target": ["G1", "G2"]})
    graph = gene_graph(GENES, tf_target=pairs, positions=None, coexpression=dense)
    tokens = Tokens(np.r_[99, np.arange(40)].astype(np.int32), None, np.array([0, 41]))
    gene = np.r_[-1, np.arange(40)]
    edges = graph.of_cells(tokens, gene)
    inside = edges.target > 0
    only = inside & (edges.regulates == 0)
    assert int(only.sum()) == THINNING * 41
    assert int((edges.regulates == 1).sum()) == 2
    values = np.sort(dense.data[dense.data != dense[0, 1]])
    np.testing.assert_allclose(edges.correlation[only].min(), values[-THINNING * 41], rtol=1e-5)


@pytest.fixture
def crowd():
    """All 780 pairs of 40 genes are co-expressed, and one of them is regulation too; a cell expresses all."""
    dense = sp.csr_array(np.triu(np.random.default_rng(0).uniform(0.1, 1, (40, 40)), 1).astype(np.float32))
    pairs = pd.DataFrame({"source": ["G0"], "target": ["G1"]})
    graph = gene_graph(GENES, tf_target=pairs, positions=None, coexpression=dense)
    return graph, Tokens(np.r_[99, np.arange(40)].astype(np.int32), None, np.array([0, 41])), np.r_[-1, np.arange(40)]


def test_without_thinning_a_crowded_cell_keeps_all_edges(crowd):
    graph, tokens, gene = crowd
    assert graph.of_cells(tokens, gene, thinning=None).n_edges == 780 + 40


def test_random_thinning_is_a_fixed_draw_in_proportion_to_the_correlation(crowd):
    graph, tokens, gene = crowd
    strongest, first, again = (graph.of_cells(tokens, gene, thinning=t) for t in ("strongest", "random", "random"))
    assert first.n_edges == strongest.n_edges == THINNING * 41 + 1 + 40
    assert (first.source == again.source).all()
    assert (first.target == again.target).all()
    mean = {k: float(e.correlation[e.target > 0].mean()) for k, e in (("strongest", strongest), ("random", first))}
    assert graph.correlation.mean() + 0.05 < mean["random"] < mean["strongest"] - 0.05


def test_no_source_at_all_leaves_the_edges_to_the_cell():
    graph = gene_graph(GENES, tf_target=None, positions=None)
    tokens, gene = cells()
    edges = graph.of_cells(tokens, gene)
    assert edges.n_edges == (gene >= 0).sum()
