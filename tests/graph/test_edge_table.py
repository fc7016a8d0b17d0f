import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import GraphError, SgtWarning
from scgnn_tools.graph.prior import check_edges


def edges(**columns):
    return check_edges(pd.DataFrame(columns))


@pytest.mark.parametrize(
    "names",
    [
        ("source", "target", "weight"),
        ("TF", "target", "importance"),
        ("regulator", "Gene", "Score"),
        ("Gene1", "Gene2", "EdgeWeight"),
        ("TF", "gene", "probability"),
        ("source", "target", "coef_mean"),
        ("TF", "Gene", "importance_TF2G"),
    ],
)
def test_columns_of_other_programs(names):
    out = edges(**dict(zip(names, (["A", "A"], ["B", "C"], [2.0, 3.0]), strict=True)))
    assert out.to_dict("list") == {"source": ["A", "A"], "target": ["B", "C"], "weight": [2.0, 3.0]}


def test_a_list_among_names_is_read_as_its_text():
    assert edges(source=["A", ["B"]], target=["B", "C"])["source"].map(str).tolist() == ["A", "['B']"]


@pytest.mark.parametrize(
    "meant",
    [
        lambda t: t.set_axis([" source", "\ufefftarget ", "weight"], axis=1),
        lambda t: t.set_index(["source", "target"]),
        lambda t: t.assign(source=[" A(+)", "A_(+)"]),
    ],
)
def test_a_table_is_read_as_it_was_meant(meant):
    table = pd.DataFrame({"source": ["A", "A"], "target": ["B", "C"], "weight": [2.0, 3.0]})
    out = check_edges(meant(table))
    assert out[["source", "target", "weight"]].to_dict("list") == table.to_dict("list")
    assert set(out.get("mode", ["Activation"])) == {"Activation"}


def test_the_sign_of_a_weight_is_the_mode():
    out = edges(source=["A", "A"], target=["B", "C"], weight=[-2.0, 1.0])
    assert out["mode"].tolist() == ["Repression", "Activation"]
    assert out["weight"].tolist() == [2.0, 1.0]
    only = edges(source=["A", "A"], target=["B", "C"], weight=[-1, -1])
    assert only["mode"].tolist() == ["Repression", "Repression"]


@pytest.mark.parametrize("column", ["mode", "MOR", "Type"])
@pytest.mark.parametrize(
    ("told", "mode"),
    [(1, "Activation"), ("+", "Activation"), ("activator", "Activation"), (-1.0, "Repression"), ("-", "Repression"),
     ("Inhibition", "Repression"), (0, "Unknown"), (np.nan, "Unknown"), ("Unknown", "Unknown"), ("conflict", "Conflict"),
     ("up-regulates", "Activation"), ("-->", "Activation"), ("inhibitor", "Repression"), ("--|", "Repression"), ("−1", "Repression")],
)  # fmt: skip
def test_modes_in_any_spelling(column, told, mode):
    assert edges(tf=["A"], target=["B"], **{column: [told]})["mode"].tolist() == [mode]


@pytest.mark.parametrize("modes", [["activation", "-"], ["activation", None], ["+", "+"]])
def test_modes_may_be_categories(modes):
    told = edges(tf=["A", "A"], target=["B", "C"], mode=pd.Categorical(modes))["mode"].tolist()
    assert told == edges(tf=["A", "A"], target=["B", "C"], mode=modes)["mode"].tolist()


def test_a_mode_that_nobody_knows_is_named_and_a_type_that_is_none_is_left():
    with pytest.warns(SgtWarning, match="1 modes of edges are not understood and count as unknown: 'binds'"):
        assert edges(tf=["A"], target=["B"], mode=["binds"])["mode"].tolist() == ["Unknown"]
    assert "mode" not in edges(tf=["A"], target=["B"], type=["ChIP-seq"])


def test_rows_of_an_edge_that_disagree_are_a_conflict():
    table = {"tf": ["A", "A", "B"], "target": ["C", "C", "C"], "mode": ["Activation", "Repression", "+"]}
    assert edges(**table)["mode"].tolist() == ["Conflict", "Activation"]


@pytest.mark.parametrize("weight", [1j, pd.Timestamp("2020-01-01"), "high"])
def test_weights_are_numbers(weight):
    with pytest.raises(GraphError, match="weights of a prior are numbers; got"):
        edges(tf=["A"], target=["B"], weight=[weight])


def test_labels_of_0_are_no_edges():
    out = edges(tf=["A", "A", "B"], target=["B", "C", "C"], label=[1, 0, 1])
    assert out[["source", "target"]].to_numpy().tolist() == [["A", "B"], ["B", "C"]]


def test_base_networks_of_peaks_and_factors():
    wide = pd.DataFrame(
        {"peak_id": ["p", "q", "r"], "gene_short_name": ["X", "X", "Y"], "SPI1": [1.0, 1, 0], "GATA1": [0.0, 0, 1]}
    )
    assert check_edges(wide)[["source", "target"]].to_numpy().tolist() == [["GATA1", "Y"], ["SPI1", "X"]]
    with pytest.raises(GraphError, match="none that names the gene of a row: add a column gene_short_name"):
        check_edges(wide.drop(columns="gene_short_name").assign(IRF8=[0, 1, 0]))
    with pytest.raises(GraphError, match="no edge that can be used: no factor has a 1 in its column"):
        check_edges(wide.assign(SPI1=0, GATA1=0))


def test_two_columns_for_one_end():
    table = {"source": ["A"], "TF": ["B"], "target": ["C"]}
    with pytest.raises(GraphError, match="Two columns could be the source of an edge: source and TF"):
        edges(**table)
    assert edges(**{**table, "TF": ["A"]})["source"].tolist() == ["A"]


def test_scores_of_all_pairs_are_no_network_until_cut():
    rng = np.random.default_rng(0)
    genes = [f"G{i}" for i in range(50)]
    full = pd.DataFrame([(a, b) for a in genes for b in genes], columns=["tf", "gene"])
    full["score"] = rng.normal(size=len(full))
    with pytest.raises(GraphError, match="these are scores of all pairs"):
        check_edges(full)
    kept = check_edges(full, above=2.0)
    assert len(kept) == ((full["score"] > 2) & (full["tf"] != full["gene"])).sum()
