import gzip

import pandas as pd
import pytest

from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools.graph.exchange import cytoscape, graphml
from scgnn_tools.graph.network_files import read_names, read_network
from scgnn_tools.graph.prior import check_edges

EDGES = pd.DataFrame({"source": ["SPI1", "SPI1", "IRF8"], "target": ["LYZ", "CD14", "B2M"], "weight": [1.5, -2.0, 1.0]})
WRITERS = {
    "net.csv": lambda p: EDGES.to_csv(p, index=False),
    "index.csv": lambda p: EDGES.to_csv(p),
    "adj.tsv": lambda p: EDGES.set_axis(["TF", "target", "importance"], axis=1).to_csv(p, sep="\t", index=False),
    "semi.csv": lambda p: p.write_text("﻿" + EDGES.to_csv(sep=";", index=False), encoding="utf-8"),
    "net.csv.gz": lambda p: EDGES.to_csv(p, index=False, compression="gzip"),
    "net.parquet": lambda p: EDGES.to_parquet(p),
    "ends.parquet": lambda p: EDGES.set_index(["source", "target"]).to_parquet(p),
    "comments.tsv": lambda p: p.write_text("# by hand\n\n" + EDGES.to_csv(sep="\t", index=False)),
    "marked.tsv": lambda p: p.write_text("# by hand\n#" + EDGES.to_csv(sep="\t", index=False)),
    "blanks.csv": lambda p: p.write_text(EDGES.to_csv(index=False).replace(",", " , ")),
    "nameless.tsv": lambda p: EDGES.to_csv(
        p, sep="\t", index=False, header=False
    ),  # as arboreto's own example writes it
    "net.graphml": lambda p: p.write_text(graphml(EDGES), encoding="utf-8"),
    "net.graphml.gz": lambda p: p.write_bytes(gzip.compress(graphml(EDGES).encode())),
    "net.cyjs": lambda p: p.write_text(cytoscape(EDGES), encoding="utf-8"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_networks(name, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    WRITERS[name](tmp_path / name)
    pd.testing.assert_frame_equal(check_edges(read_network(tmp_path / name)), check_edges(EDGES), check_dtype=False)


def test_a_file_without_names_is_read_by_what_it_holds(tmp_path, caplog):
    trrust = tmp_path / "trrust_rawdata.human.tsv"
    trrust.write_text("SPI1\tLYZ\tActivation\t1;2\nSPI1\tCD14\tRepression\t3\n")
    with caplog.at_level("INFO", logger="scgnn_tools"):
        assert check_edges(read_network(trrust))["mode"].tolist() == ["Repression", "Activation"]
    assert "no line of names: its columns are read as source, target, mode" in caplog.text
    (tmp_path / "words.tsv").write_text("from\tto\thow\nSPI1\tLYZ\tx\n")
    with pytest.raises(GraphError, match=r"source, target is missing, there is: from, to, how"):
        check_edges(read_network(tmp_path / "words.tsv"))


def test_a_graph_of_networkx(tmp_path):
    nx = pytest.importorskip("networkx")
    graph = nx.from_pandas_edgelist(EDGES, edge_attr="weight", create_using=nx.DiGraph)
    nx.write_graphml(graph, tmp_path / "nx.graphml")
    pd.testing.assert_frame_equal(check_edges(read_network(tmp_path / "nx.graphml")), check_edges(EDGES))


def test_gene_sets(tmp_path):
    (tmp_path / "r.gmt").write_text("SPI1(+)\tna\tLYZ\tCD14\nIRF8_(-)\t\tB2M\nGATA1\tx\tHBB,2.0\t\n")
    out = check_edges(read_network(tmp_path / "r.gmt"))
    assert out[["source", "target", "mode"]].to_numpy().tolist() == [
        ["GATA1", "HBB", "Unknown"], ["IRF8", "B2M", "Repression"], ["SPI1", "CD14", "Activation"], ["SPI1", "LYZ", "Activation"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "holds no edge"),
        ("head.csv", b"source,target\n", "holds no edge"),
        ("net.xlsx", b"x", "no known format"),
        ("bad.graphml", b"<graphml><", "cannot be read as a network"),
        ("bad.csv.gz", b"\x1f\x8bxx", "cannot be read as a network"),
        ("bad.cyjs", b"{}", "cannot be read as a network"),
        (None, b"", "There is no file"),
    ],
)
def test_files_that_are_none(name, content, says, tmp_path):
    path = tmp_path / (name or "nosuch.csv")
    if name:
        path.write_bytes(content)
    with pytest.raises(InputValueError, match=says):
        read_network(path)


@pytest.mark.parametrize(
    "content", ["SPI1\n\nIRF8\n", '"SPI1"\nIRF8', "# all\nSPI1\nIRF8\nSPI1", "TF,target\nSPI1,A\nIRF8,B\nSPI1,C"]
)
def test_files_of_names(content, tmp_path):
    (tmp_path / "tfs.txt").write_text(content)
    assert read_names(tmp_path / "tfs.txt") == ["SPI1", "IRF8"]


def test_a_file_without_names(tmp_path):
    (tmp_path / "tfs.txt").write_text("\n# nothing\n")
    with pytest.raises(InputValueError, match="names no gene"):
        read_names(tmp_path / "tfs.txt")
