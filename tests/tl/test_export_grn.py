import json
import sys
import types
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingExtraError, MissingKeyError


@pytest.fixture
def network(pbmc68k):
    """Two groups share an edge; one edge has no sign."""
    edges = pd.DataFrame(
        [
            ("B", "SPI1", "LYZ", 0.9, True, 1.0),
            ("T", "SPI1", "LYZ", 0.8, True, 1.0),
            ("B", "SPI1", "CST3", 0.7, False, -1.0),
            ("T", "IRF8", "CD74", 0.6, False, np.nan),
        ],
        columns=["group", "source", "target", "score", "known", "sign"],
    )
    pbmc68k.uns["sgt_grn"] = {"edges": edges}
    return pbmc68k


def test_regulons(network):
    net = sgt.tl.regulons(network)
    assert net.to_dict("list") == {
        "source": ["SPI1", "SPI1", "IRF8"], "target": ["LYZ", "CST3", "CD74"], "weight": [0.9, -0.7, 0.6],
    }  # fmt: skip
    assert sgt.tl.regulons(network, group="T")["weight"].tolist() == [0.8, 0.6]
    assert sgt.tl.regulons(network, n_targets=1)["target"].tolist() == ["LYZ", "CD74"]
    pd.testing.assert_frame_equal(network.sgt.regulons(), net)


@pytest.mark.parametrize("name", ["a.graphml", "a.cyjs", "a.csv", "net.csv"])
def test_every_format_reads_back(network, tmp_path, name):
    before = network.copy()
    form = "decoupler" if name == "net.csv" else None
    path = sgt.tl.export_grn(network, tmp_path / name, format=form)
    assert changed(before, network) == set()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    if name == "a.graphml":
        graph = nx.read_graphml(path)
        assert sorted(d["score"] for d in graph.get_edge_data("SPI1", "LYZ").values()) == [0.8, 0.9]
    elif name == "a.cyjs":
        edges = json.loads(path.read_text(encoding="utf-8"))["elements"]["edges"]
        assert [e["data"]["score"] for e in edges] == [0.9, 0.8, 0.7, 0.6]
    elif form is None:
        pd.testing.assert_frame_equal(pd.read_csv(path), network.uns["sgt_grn"]["edges"])
    else:
        pd.testing.assert_frame_equal(pd.read_csv(path), sgt.tl.regulons(network))


def test_one_group_and_few_targets(network, tmp_path):
    path = sgt.tl.export_grn(network, tmp_path / "b.csv", group="B", n_targets=1)
    assert pd.read_csv(path)["target"].tolist() == ["LYZ"]
    path = sgt.tl.export_grn(network, tmp_path / "b.csv", n_targets=1, overwrite=True)
    assert len(pd.read_csv(path)) == 3  # one of each factor in each group


@pytest.mark.parametrize("name", ["a.gmt", "a.tsv", "a.parquet", "a.graphml", "a.csv"])
def test_a_network_that_was_written_is_a_network_that_can_be_read(network, tmp_path, name):
    path = sgt.tl.export_grn(network, tmp_path / name)
    sgt.tl.grn_from_edges(network, path, key_added="again")
    again, own = (sgt.tl.regulons(network, k).set_index(["source", "target"])["weight"] for k in ("again", "sgt_grn"))
    if name == "a.gmt":  # sets know no weights
        own = np.sign(own)
    if name == "a.tsv":  # adjacencies know no signs
        own = own.abs()
    pd.testing.assert_series_equal(again.sort_index(), own.sort_index(), check_dtype=False)


def test_the_best_edges_alone(network, tmp_path):
    path = sgt.tl.export_grn(network, tmp_path / "a.csv", n_top=3, min_score=0.65)
    assert pd.read_csv(path)["score"].tolist() == [0.9, 0.8, 0.7]
    path = sgt.tl.export_grn(network, tmp_path / "b.csv", min_score=0.75)
    assert len(pd.read_csv(path)) == 2
    with pytest.raises(InputValueError, match=r"no edge to write: none has a score of at least 1\.5"):
        sgt.tl.export_grn(network, tmp_path / "c.csv", min_score=1.5)
    assert not (tmp_path / "c.csv").exists()


def test_loom_of_cells_and_regulons(network, tmp_path, monkeypatch):
    with pytest.raises(MissingExtraError, match=r"pip install 'scgnn_tools\[loom\]'"):
        sgt.tl.export_grn(network, tmp_path / "a.loom")
    assert not list(tmp_path.iterdir())
    made = {}

    def create(path, layers, rows, columns):
        made.update(shape=layers.shape, rows=rows, columns=columns)
        Path(path).write_bytes(b"loom")

    monkeypatch.setitem(sys.modules, "loompy", types.SimpleNamespace(create=create))
    sgt.tl.export_grn(network, tmp_path / "a.loom")
    member = made["rows"]["Regulons"]
    assert made["shape"] == (len(member), network.n_obs)
    held = {name: set(made["rows"]["Gene"][member[name] == 1]) for name in member.dtype.names}
    assert held == {"SPI1(+)": {"LYZ"}, "SPI1(-)": {"CST3"}, "IRF8(+)": {"CD74"}}
    assert made["columns"]["CellID"].tolist() == network.obs_names.tolist()


@pytest.mark.parametrize(
    ("name", "kwargs", "error", "says"),
    [
        ("a.xlsx", {}, InputValueError, "ends in no known format; end it in .graphml, .cyjs, .csv, .tsv"),
        ("a.csv", {"format": "sif"}, InputValueError, "pass format=, one of graphml, cyjs, csv, parquet, decoupler"),
        ("there.csv", {}, InputValueError, "exists. Pass overwrite=True"),
        ("folder.csv", {}, InputValueError, "is a folder; a file is written"),
        ("folder.csv", {"overwrite": True}, InputValueError, "is a folder; a file is written"),
        ("no/such/a.csv", {}, InputValueError, "There is no folder"),
        ("a.csv", {"key": "other"}, MissingKeyError, r"uns\['other'\] holds no network"),
        ("a.csv", {"group": "NK"}, InputValueError, "no group 'NK'; there is: B, T"),
        ("a.csv", {"n_targets": 0}, InputValueError, "n_targets is a positive integer"),
    ],
)
def test_wrong_input_writes_nothing(network, tmp_path, name, kwargs, error, says):
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(error, match=says):
        sgt.tl.export_grn(network, tmp_path / name, **kwargs)
    assert {p.name for p in tmp_path.iterdir()} == {"there.csv", "folder.csv"}
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_a_write_that_fails_leaves_nothing_behind(network, tmp_path, monkeypatch):
    def full(self, *_, **__):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space"):
        sgt.tl.export_grn(network, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
