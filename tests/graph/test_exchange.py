import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from scgnn_tools.graph.exchange import cytoscape, graphml

EDGES = pd.DataFrame(
    {
        "source": ["SPI1", "SPI1", "IRF8"],
        "target": ["LYZ", "IRF8", 'a <b> & "c"\n\'\x01d'],
        "score": [0.9, 0.25, 1e-7],
        "known": [True, False, True],
        "sign": [1.0, np.nan, -1.0],
        "sign_from": ["prior", "", "a & b"],
    }
)


def test_graphml_reads_back(tmp_path):
    path = tmp_path / "a.graphml"
    path.write_text(graphml(EDGES), encoding="utf-8")
    graph = nx.read_graphml(path)
    assert graph.is_directed()
    assert set(graph) == {"SPI1", "IRF8", "LYZ", 'a <b> & "c"\n\'�d'}
    assert graph.nodes["IRF8"]["role"] == "factor"  # a target too
    assert graph.nodes["LYZ"]["role"] == "target"
    assert graph.edges["SPI1", "LYZ"] == {"id": "e0", "score": 0.9, "known": True, "sign": 1.0, "sign_from": "prior"}
    assert "sign" not in graph.edges["SPI1", "IRF8"]
    assert graph.edges["IRF8", 'a <b> & "c"\n\'�d']["score"] == 1e-7
    assert graph.edges["IRF8", 'a <b> & "c"\n\'�d']["sign_from"] == "a & b"


def test_edges_of_two_groups_are_parallel(tmp_path):
    both = pd.concat([EDGES.assign(group="B"), EDGES.assign(group="T")])
    (tmp_path / "a.graphml").write_text(graphml(both), encoding="utf-8")
    graph = nx.read_graphml(tmp_path / "a.graphml")
    assert graph.number_of_edges() == 6
    assert {d["group"] for d in graph.get_edge_data("SPI1", "LYZ").values()} == {"B", "T"}


def test_cytoscape_reads_back():
    read = json.loads(cytoscape(EDGES, name="net"), parse_constant=pytest.fail)  # no NaN, which is no JSON
    for node in read["elements"]["nodes"]:
        node["data"]["value"] = node["data"]["id"]  # networkx's own addition to the format
    graph = nx.cytoscape_graph({**read, "directed": True, "data": []})
    assert graph.nodes["LYZ"]["role"] == "target"
    assert graph.edges["SPI1", "LYZ"]["score"] == 0.9
    assert graph.edges["SPI1", "LYZ"]["known"] is True
    assert "sign" not in graph.edges["SPI1", "IRF8"]
    assert len({e["data"]["id"] for e in read["elements"]["edges"]}) == 3
    assert read["data"]["name"] == "net"


def test_no_edges():
    nx.parse_graphml(graphml(EDGES[:0]))
    assert json.loads(cytoscape(EDGES[:0]))["elements"] == {"nodes": [], "edges": []}
