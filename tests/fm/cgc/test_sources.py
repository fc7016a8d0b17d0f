"""Edges and text features from files: what is read, and what is wrong with them."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import GraphError, WeightsError
from scgnn_tools.fm.cgc import CGCModel
from scgnn_tools.fm.cgc.graph import gene_graph
from scgnn_tools.fm.cgc.sources import read_graph, read_text

GENES = np.array(["STAT1", "IRF1", "SPI1", "CD14", "LYZ"], dtype=object)
SIZES = {"dim": 8, "heads": 2, "hidden": 8, "n_layers": 1, "n_graph_layers": 1, "device": "cpu"}


def table(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def edges(graph):
    source = np.repeat(np.arange(len(graph.offsets) - 1), np.diff(graph.offsets))
    return {(GENES[a], GENES[b]): i for i, (a, b) in enumerate(zip(source, graph.targets, strict=True))}


def test_edges_to_unknown_genes_are_left_out(tmp_path):
    tf = table(tmp_path / "tf.csv", source=["STAT1", "STAT1", "NOBODY"], target=["IRF1", "NOTHING", "LYZ"])
    flat = table(tmp_path / "p.csv", symbol=["CD14", "NOBODY"], chromosome=["5", "5"], position=[1, 2])
    graph = read_graph(GENES, {"tf_target": tf, "positions": flat})
    assert list(edges(graph)) == [("STAT1", "IRF1")]


@pytest.mark.parametrize(
    ("columns", "role", "error"),
    [
        ({"source": ["A"], "target": ["B"]}, "tf_target", "None of the 1 edges.*STAT1"),
        ({"tf": ["STAT1"], "strength": ["IRF1"]}, "tf_target", "target is missing"),
        ({"symbol": ["STAT1"]}, "positions", "lacks the columns chromosome, position"),
        ({"source": ["STAT1"], "target": ["IRF1"]}, "coexpression", "lacks the columns weight"),
        ({"source": ["STAT1"], "target": ["IRF1"], "weight": [3.0]}, "coexpression", "between -1 and 1"),
        ({"source": ["A"], "target": ["B"], "weight": [0.9]}, "coexpression", "None of the 1 edges"),
    ],
)
def test_tables_that_cannot_be_used_are_named(tmp_path, columns, role, error):
    path = table(tmp_path / "edges.csv", **columns)
    with pytest.raises(GraphError, match=error):
        read_graph(GENES, {role: path})


def test_coexpression_from_a_table_and_from_a_matrix(tmp_path):
    path = table(tmp_path / "c.tsv.csv", source=["LYZ", "LYZ"], target=["CD14", "ELSE"], weight=[0.9, 0.8])
    graph = read_graph(GENES, {"coexpression": path})
    assert graph.correlation[edges(graph)["LYZ", "CD14"]] == pytest.approx(0.9)
    sp.save_npz(tmp_path / "c.npz", sp.csr_matrix(([0.7], ([4], [3])), shape=(5, 5)))
    graph = read_graph(GENES, {"coexpression": tmp_path / "c.npz"})
    assert graph.correlation[edges(graph)["LYZ", "CD14"]] == pytest.approx(0.7)
    sp.save_npz(tmp_path / "wrong.npz", sp.csr_matrix((4, 4)))
    with pytest.raises(WeightsError, match="5 genes a side"):
        read_graph(GENES, {"coexpression": tmp_path / "wrong.npz"})


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_text_features_find_their_genes(tmp_path, kind):
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    names, path = ["LYZ", "ELSE", "STAT1"], tmp_path / f"text.{kind}"
    frame = pd.DataFrame(vectors, index=names, columns=["0", "1"])
    match kind:
        case "csv":
            frame.to_csv(path)
        case "parquet":
            frame.to_parquet(path)
        case _:
            np.savez(path, genes=names, vectors=vectors)
    got = read_text(path, GENES)
    np.testing.assert_array_equal(got, [[4, 5], [0, 0], [0, 0], [0, 0], [0, 1]])
    with pytest.raises(WeightsError, match=r"shape \(3, 2\), wanted \(3, 768\)"):
        read_text(path, GENES, width=768)


def test_text_features_that_cannot_be_used(tmp_path):
    frame = pd.DataFrame(np.ones((2, 2)), index=["A", "B"])
    frame.to_csv(tmp_path / "other.csv")
    with pytest.raises(WeightsError, match="none of the 5 genes"):
        read_text(tmp_path / "other.csv", GENES)
    pd.DataFrame({"gene": ["LYZ"], "text": ["a lysozyme"]}).to_csv(tmp_path / "words.csv", index=False)
    with pytest.raises(WeightsError, match="no table of genes × numbers"):
        read_text(tmp_path / "words.csv", GENES)
    pd.DataFrame({"x": [np.nan]}, index=["LYZ"]).to_csv(tmp_path / "nan.csv")
    with pytest.raises(WeightsError, match="vector of LYZ holds NaN"):
        read_text(tmp_path / "nan.csv", GENES)
    with pytest.raises(WeightsError, match=r"There is no absent\.npz"):
        read_text(tmp_path / "absent.npz", GENES)


@pytest.mark.parametrize("variant", ["repo", "paper"])
def test_genes_without_position_or_edges_and_an_empty_graph_embed(variant):
    """No source at all, or one edge: every gene still reaches the cell, and vectors are finite and differ."""
    counts = sp.csr_array(np.random.default_rng(0).poisson(1.0, size=(8, 5)).astype(np.float32))
    for tf in (None, pd.DataFrame({"source": ["STAT1"], "target": ["IRF1"]})):
        graph = gene_graph(GENES, tf_target=tf, positions=None)
        assert graph.n_edges == (0 if tf is None else 1)
        model = CGCModel.untrained(GENES, graph=graph, variant=variant, **SIZES)
        vectors = model.cell_vectors(model.tokenize_rows(counts, "counts", None))
        assert np.isfinite(vectors).all()
        assert len(np.unique(vectors.round(5), axis=0)) == len(np.unique(counts.toarray(), axis=0))
