import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import GraphError, InputValueError, MissingKeyError
from scgnn_tools.grn.table import network


@pytest.fixture
def adjacencies(pbmc68k):
    rng = np.random.default_rng(0)
    pairs = [(t, g) for t in ("SPI1", "IRF8", "FOS") for g in rng.choice(pbmc68k.raw.var_names, 30, replace=False)]
    return pd.DataFrame(pairs, columns=["TF", "target"]).assign(importance=rng.gamma(2, size=len(pairs)))


def test_every_tool_takes_it(pbmc68k, adjacencies, tmp_path):
    before = pbmc68k.copy()
    table = pd.concat([adjacencies, pd.DataFrame({"TF": ["SPI1"], "target": ["NOSUCH"], "importance": [9.0]})])
    sgt.tl.grn_from_edges(pbmc68k, table.assign(motif="m1"), key_added="scenic", prior="trrust")
    assert changed(before, pbmc68k) == {"uns['scenic']", "varp['scenic']"}
    edges = pbmc68k.uns["scenic"]["edges"]
    assert list(edges) == ["source", "target", "score", "known", "sign", "motif"]
    assert edges["score"].is_monotonic_decreasing
    assert edges["sign"].isna().all()
    assert pbmc68k.varp["scenic"].nnz == len(edges)
    pbmc68k.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    truth = edges.iloc[::2][["source", "target"]]
    assert (
        sgt.tl.evaluate_grn(back, truth, key="scenic", exclude_known=False, bootstrap=0).table.loc["imported", "n"] > 0
    )
    assert sgt.pl.grn(back, "scenic", tf="SPI1").axes
    assert sgt.pl.grn(back, "scenic", interactive=True).text
    assert sgt.tl.export_grn(back, tmp_path / "a.graphml", "scenic").exists()


def test_groups_that_nobody_asked_for_are_said(pbmc68k, caplog):
    table = pd.DataFrame({"tf": ["SPI1"] * 2, "target": ["LYZ"] * 2, "score": [0.2, 0.7], "group": ["a", "b"]})
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.grn_from_edges(pbmc68k, table)
    assert "networks of 2 groups (a, b) in its column 'group'; they become one" in caplog.text
    assert pbmc68k.uns["sgt_grn"]["edges"]["score"].tolist() == [pytest.approx(0.7)]


def test_signs_groups_and_weights(pbmc68k):
    table = pd.DataFrame(
        {"source": ["spi1", "SPI1", "IRF8"], "target": ["LYZ", "CST3", "CD74"], "coef_mean": [-0.5, 0.2, 0.0]}
    )
    both = {"CD19+ B": table, "Dendritic": table.head(1)}
    sgt.tl.grn_from_edges(pbmc68k, both, groupby="bulk_labels")
    entry = pbmc68k.uns["sgt_grn"]
    assert entry["edges"][["group", "target", "score", "sign"]].to_numpy().tolist() == [
        ["CD19+ B", "LYZ", 0.5, -1.0], ["Dendritic", "LYZ", 0.5, -1.0], ["CD19+ B", "CST3", 0.2, 1.0],
    ]  # fmt: skip
    assert entry["params"]["groups"].tolist() == ["CD19+ B", "Dendritic"]
    long = pd.concat([t.assign(bulk_labels=g) for g, t in both.items()])
    again = sgt.tl.grn_from_edges(pbmc68k, long, groupby="bulk_labels", copy=True)
    pd.testing.assert_frame_equal(again.uns["sgt_grn"]["edges"], entry["edges"])


def test_neither_rows_nor_blanks_decide_what_is_read(pbmc68k):
    rows = {"source": ["SPI1", "SPI1 ", "IRF8"], "target": [" LYZ", "LYZ", "CD74"], "mode": ["+", "-", "-"]}
    table = pd.DataFrame(rows)
    for one in (table, table[::-1]):
        edges = sgt.tl.grn_from_edges(pbmc68k, one, copy=True).uns["sgt_grn"]["edges"]
        found = edges.sort_values("target")[["source", "target", "sign"]].to_numpy(dtype=object).tolist()
        assert found[0] == ["IRF8", "CD74", -1.0]
        assert found[1][:2] == ["SPI1", "LYZ"]
        assert np.isnan(found[1][2])
    with pytest.raises(GraphError, match="1 of them from a gene to itself"):
        sgt.tl.grn_from_edges(pbmc68k, {"SPI1": ["SPI1"]})


def test_a_table_that_was_put_into_uns_is_read_the_same(pbmc68k):
    rows = [
        ("SPI1", "LYZ", 2.0, "+", 1, True),
        ("SPI1", "CST3", 1.0, "-", 1, False),
        ("IRF8", "CD74", 3.0, "+", 0, True),
    ]
    table = pd.DataFrame(rows, columns=["TF", "Gene", "importance", "Type", "label", "known"])
    pbmc68k.uns["own"] = table
    sgt.tl.grn_from_edges(pbmc68k, table.drop(columns="known"))
    one, two = (sgt.tl.regulons(pbmc68k, key) for key in ("own", "sgt_grn"))
    pd.testing.assert_frame_equal(one, two)
    assert two["weight"].tolist() == [2.0, -1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"known": np.nan}, {"known": "False"}, {"known": [None, False]}, {"sign": "?"}, {"score": "1.0"}, {"score": [1, 1]},
    ],
)  # fmt: skip
def test_a_whole_table_whose_columns_are_of_other_kinds(pbmc68k, wrong):
    table = pd.DataFrame(
        {"source": ["SPI1"] * 2, "target": ["LYZ", "CST3"], "score": 1.0, "known": False, "sign": np.nan}
    )
    pbmc68k.uns["own"] = {"edges": table.assign(**wrong), "params": None, "evaluation": "none"}
    edges = network(pbmc68k, "own")["edges"]
    assert edges[["score", "sign", "known"]].dtypes.tolist() == [np.dtype(float), np.dtype(float), np.dtype(bool)]
    assert not edges["known"].any()
    assert edges["sign"].isna().all()
    assert sgt.pl.grn(pbmc68k, "own").axes
    pbmc68k.uns["own"] = table[:0]
    with pytest.raises(GraphError, match="no rows"):
        sgt.pl.grn(pbmc68k, "own")


@pytest.mark.parametrize("wrong", [{"score": [1.0, np.inf]}, {"score": [1.0, np.nan]}, {"target": ["LYZ", None]}])
def test_a_whole_table_with_rows_that_are_no_edges(pbmc68k, wrong):
    table = pd.DataFrame({"source": "SPI1", "target": ["LYZ", "CST3"], "score": 1.0, "known": False, "sign": np.nan})
    pbmc68k.uns["own"] = table.assign(**wrong)
    assert network(pbmc68k, "own")["edges"]["target"].tolist() == ["LYZ"]
    assert sgt.pl.grn(pbmc68k, "own").axes
    pbmc68k.uns["own"] = table.assign(score=np.nan)
    with pytest.raises(GraphError, match="no edge with a score"):
        sgt.tl.regulons(pbmc68k, "own")
    pbmc68k.uns["own"] = pd.concat([table, table[["score"]]], axis=1)
    with pytest.raises(InputValueError, match="has the column score more than once"):
        sgt.tl.regulons(pbmc68k, "own")


def test_a_gene_key_is_remembered_by_all(pbmc68k, adjacencies, tmp_path):
    symbols = pbmc68k.raw.var_names
    var = pd.DataFrame({"symbol": symbols.to_numpy()}, index=[f"id{i}" for i in range(len(symbols))])
    other = ad.AnnData(pbmc68k.raw.X, obs=pbmc68k.obs, var=var)
    sgt.tl.grn_from_edges(other, adjacencies, gene_key="symbol")
    assert other.uns["sgt_grn"]["edges"]["source"].str.startswith("id").all()
    assert {"SPI1", "FOS"} <= set(pd.read_csv(sgt.tl.export_grn(other, tmp_path / "a.csv"))["source"])
    assert sgt.pl.grn(other, tf="SPI1").axes
    pytest.importorskip("decoupler")
    sgt.tl.tf_activity(other)
    assert set(other.obsm["sgt_activity"].columns) == {"SPI1", "IRF8", "FOS"}


@pytest.mark.parametrize(
    ("table", "more", "error", "says"),
    [
        (pd.DataFrame({"tf": ["X1"], "target": ["X2"]}), {}, GraphError, "None of the 1 edges lies between two genes"),
        (pd.DataFrame({"tf": [], "target": []}), {}, GraphError, "has no rows"),
        (pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"], "weight": [0.0]}), {}, GraphError, "no edge with a score other than 0"),
        (pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"], "label": [0]}), {}, GraphError, "no edge with a score"),
        (pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"]}), {"groupby": "bulk_labels"}, InputValueError, "or a dict of group -> table"),
        ({"moon": pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"]})}, {"groupby": "bulk_labels"}, InputValueError, "does not have: moon"),
        (pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"]}), {"organism": "rat"}, InputValueError, "organism is 'human' or 'mouse'"),
        ("nosuch", {}, MissingKeyError, "table='nosuch' is neither a file"),
        ([("SPI1", "LYZ"), ("SPI1", "FOS", 2.0)], {}, InputValueError, "table holds edges of 2 and of 3 entries"),
        (pd.DataFrame({"tf": ["SPI1"] * 2, "target": ["LYZ", "FOS"], "weight": ["1", "x"]}), {}, InputValueError, "'weight' holds 'x'"),
        (pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"], "weight": ["1,5"]}), {}, InputValueError, "With a decimal comma"),
        (pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"], "weight": [pd.Timestamp(0)]}), {}, InputValueError, "'weight' holds '1970"),
        ({1: pd.DataFrame({"tf": ["SPI1"], "target": ["LYZ"]}), "1": "trrust"}, {}, InputValueError, "two networks called 1"),
        ({1: "trrust", "1": "trrust"}, {"groupby": "bulk_labels"}, InputValueError, "two networks called 1"),
        ({}, {"groupby": "bulk_labels"}, InputValueError, "table is empty; it is a dict of group -> table"),
    ],
)  # fmt: skip
def test_what_is_no_network(pbmc68k, table, more, error, says):
    before = pbmc68k.copy()
    with pytest.raises(error, match=says):
        sgt.tl.grn_from_edges(pbmc68k, table, **more)
    assert changed(before, pbmc68k) == set()


@pytest.mark.parametrize(
    ("column", "read"),
    [
        (np.array([3, 2], dtype=np.uint8), [3, 2]),
        (np.array([0.5, 2], dtype=np.longdouble), [0.5, 2.0]),
        (pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
        (pd.array([True, None], dtype="boolean"), ["True", ""]),
        (pd.Categorical(["motif", None]), ["motif", ""]),
        ([True, False], [True, False]),
    ],
)
def test_evidence_of_any_kind_goes_into_a_file(pbmc68k, tmp_path, column, read):
    table = pd.DataFrame({"tf": ["SPI1", "SPI1"], "target": ["LYZ", "FOS"], "weight": [1e300, 1.0], "evidence": column})
    kinds = pbmc68k.obs["bulk_labels"].cat.categories[:2]
    tables = {kinds[0]: table, kinds[1]: table.drop(columns="evidence")}
    sgt.tl.grn_from_edges(pbmc68k, tables, groupby="bulk_labels", key_added="groups")
    sgt.tl.grn_from_edges(pbmc68k, table)
    assert np.isfinite(pbmc68k.varp["sgt_grn"].data).all()
    pbmc68k.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_grn"]["edges"]["evidence"]
    assert pd.Series(again.tolist()).equals(pd.Series(read))
