import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn import resources
from scgnn_tools.grn.given import conflicts, given_factors, given_networks, merged
from scgnn_tools.grn.names import ToSymbols, names_of, shown_names

TABLE = pd.DataFrame({"tf": ["SPI1", "IRF8"], "target": ["LYZ", "B2M"], "mode": ["+", "-"]})


def read(given, **more):
    tables = given_networks(given, organism="human", **more)
    return merged({n: check_edges(t) for n, t in tables.items()}), list(tables)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (TABLE, "the given table"),
        ({"SPI1": ["LYZ"], "IRF8": {"B2M": -1.0}}, "the given regulons"),
        ([("SPI1", "LYZ"), ("IRF8", "B2M")], "the given edges"),
        ({"SPI1": np.array(["LYZ"]), "IRF8": {"B2M"}}, "the given regulons"),
        ({"SPI1(+)": ["LYZ"], "IRF8_(-)": pd.Series([2.0], index=["B2M"])}, "the given regulons"),
        ({"TF": ["SPI1", "IRF8"], "target": ["LYZ", "B2M"], "importance": [1, 2]}, "the given table"),
        ([{"source": "SPI1", "target": "LYZ"}, {"source": "IRF8", "target": "B2M"}], "the given table"),
    ],
)
def test_what_a_network_may_be(given, name):
    edges, names = read(given)
    assert names == [name]
    assert edges[["source", "target"]].to_numpy().tolist() == [["IRF8", "B2M"], ["SPI1", "LYZ"]]


def test_names_files_and_matrices(tmp_path):
    assert read("TRRUST")[1] == ["TRRUST (human)"]
    path = tmp_path / "net.csv"
    TABLE.to_csv(path)
    assert read(path)[1] == read(str(path))[1] == ["net.csv"]
    adata = ad.AnnData(
        np.zeros((2, 2)), var=pd.DataFrame(index=["A", "B"]), varp={"mine": sp.csr_matrix([[0, 1.0], [0, 0]])}
    )
    edges, names = read("mine", adata=adata)
    assert (names, edges["target"].tolist()) == (["varp['mine']"], ["B"])


def test_several_networks_tell_which_of_them_has_an_edge():
    other = pd.DataFrame({"source": ["SPI1", "SPI1"], "target": ["LYZ", "CD14"], "weight": [-1.0, 2.0]})
    tables = {n: check_edges(t) for n, t in given_networks({"one": TABLE, "two": other}, organism="human").items()}
    edges = merged(tables)
    assert edges.set_index("target")[["in_one", "in_two"]].astype(int).T.to_dict("list") == {
        "B2M": [1, 0],
        "CD14": [0, 1],
        "LYZ": [1, 1],
    }
    assert edges.set_index("target")["mode"].to_dict() == {"B2M": "Repression", "CD14": "Activation", "LYZ": "Conflict"}
    assert conflicts(tables, edges) == 1
    assert list(given_networks([TABLE, TABLE], organism="human")) == ["the given table", "the given table 2"]


def test_a_resource_is_downloaded_once(tmp_path, monkeypatch):
    calls = []

    def download(name, organism, _argument):
        calls.append((name, organism))
        return pd.DataFrame({"source": ["SPI1"], "target": ["LYZ"], "weight": [-1]})

    monkeypatch.setattr(resources, "_download", download)
    monkeypatch.setattr(sgt.settings, "cache_dir", tmp_path)
    for _ in range(2):
        edges, names = read("CollecTRI")
        assert (names, edges["mode"].tolist()) == (["CollecTRI (human)"], ["Repression"])
    assert calls == [("collectri", "human")]


def test_a_resource_that_cannot_be_had(tmp_path, monkeypatch):
    decoupler = pytest.importorskip("decoupler")

    def refuse(**_):
        msg = "no network"
        raise OSError(msg)

    monkeypatch.setattr(decoupler.op, "dorothea", refuse)
    monkeypatch.setattr(sgt.settings, "cache_dir", tmp_path)
    with pytest.raises(InputValueError, match=r"DoRothEA could not be downloaded \(OSError: no network\)"):
        read("dorothea")
    with pytest.raises(InputValueError, match="source, target and weight as truth="):
        resources.resource("dorothea", "human", "truth")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ("colectri", MissingKeyError, "neither a file, nor bundled, nor in varp; .*Did you mean 'collectri'"),
        ("nosuch.csv", InputValueError, "There is no file nosuch.csv"),
        (3, InputTypeError, "prior is a name .*got int"),
        ({}, InputValueError, "prior is empty"),
        ([], InputValueError, "prior is empty"),
    ],
)
def test_what_is_no_network(given, error, says):
    with pytest.raises(error, match=says):
        read(given)


def test_factors(tmp_path):
    path = tmp_path / "tfs.txt"
    path.write_text("SPI1\nIRF8\n")
    for given in (
        path,
        str(path),
        ["SPI1", "IRF8"],
        ["SPI1", None, np.nan, pd.NA, "IRF8"],
        TABLE.sort_values("tf", ascending=False),
    ):
        assert sorted(given_factors(given)) == ["IRF8", "SPI1"]
    assert given_factors("SPI1").tolist() == ["SPI1"]
    with pytest.raises(InputValueError, match=r"There is no file allTFs_hg38\.txt"):
        given_factors("allTFs_hg38.txt")
    with pytest.raises(InputValueError, match="tfs names no gene"):
        given_factors([None, " "])


@pytest.mark.parametrize("odd", [3, ["A"], {}, 1.5, np.ones(2)])
def test_factors_are_names(odd):
    with pytest.raises(InputTypeError, match=r"tfs is a list of names of genes.*it holds"):
        given_factors(["SPI1", odd])


def test_names_of_another_case_and_older_symbols():
    find = ToSymbols(["Spi1", "Irf8", "Abc", "ABC"], "mouse")
    assert find(["SPI1", "Irf8", "irf8", "abc", "Nosuch"]).tolist() == ["Spi1", "Irf8", "Irf8", "abc", "Nosuch"]
    assert ToSymbols(["SPI1"], "human")(["ENSG00000066336", "spi1"]).tolist() == ["SPI1", "SPI1"]


def test_names_by_a_key_of_var():
    var = pd.DataFrame({"symbol": ["A", "B", "B", None]}, index=["e1", "e2", "e3", "e4"])
    adata = ad.AnnData(np.zeros((1, 4)), var=var)
    assert names_of(adata, {}).tolist() == ["e1", "e2", "e3", "e4"]
    assert names_of(adata, {"gene_key": "symbol"}).tolist() == ["A", "B", "B", "e4"]
    assert shown_names(adata, {"gene_key": "symbol"}).tolist() == ["A", "B (e2)", "B (e3)", "e4"]
