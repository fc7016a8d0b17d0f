import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import GraphError
from scgnn_tools.graph import position, prior
from scgnn_tools.graph.prior import check_edges

EDGES = pd.DataFrame(
    {"source": ["A", "A", "B", "C", "A"], "target": ["B", "C", "B", "A", "B"], "weight": [1.0, 2.0, 9.0, 1.0, 3.0]}
)


def test_matrix():
    a = prior(EDGES, np.array(["B", "A", "C"])).toarray()
    assert a.tolist() == [[0, 0, 0], [3, 0, 2], [0, 1, 0]]


def test_both_directions_are_two_edges_loops_and_duplicates_go():
    out = check_edges(EDGES)
    assert set(zip(out["source"], out["target"], strict=True)) == {("A", "B"), ("A", "C"), ("C", "A")}


def test_genes_outside_and_repeated():
    assert prior(EDGES, np.array(["A", "B", "A"])).toarray()[:, 1].tolist() == [3, 0, 0]


@pytest.mark.parametrize(
    ("edges", "says"),
    [
        (pd.DataFrame({"a": ["A"], "target": ["B"]}), "source is missing, there is: a, target"),
        (EDGES.assign(weight="strong"), "weights of a prior are numbers; got 'strong'"),
        (EDGES.assign(weight=[1.0, np.nan, 1, 1, 1]), "1 of 5 weights .* is missing, such as that of A → C"),
        (EDGES.assign(label=0), "of 5 rows all are of label 0"),
        (EDGES.assign(target=EDGES["source"]), r"of 5 rows 5 from a gene to itself\. Pass"),
        (EDGES[EDGES["source"] != EDGES["target"]].head(1).assign(weight=0), r"of 1 row all weigh 0\."),
        (EDGES.assign(source="X", target="Y"), "None of the 1 edges of the prior lies between the 2 genes"),
    ],
)
def test_what_is_refused(edges, says):
    with pytest.raises(GraphError, match=says):
        prior(edges, np.array(["A", "B"]))


def test_position():
    chromosome = np.array(["1", "1", "2", "1", ""])
    rank = np.array([10, 59, 11, 61, 10])
    a = position(chromosome, rank, max_distance=50).toarray()
    assert (a > 0).nonzero()[0].tolist() == [0, 1, 1, 3]
    assert np.array_equal(a, a.T)
    assert a[1, 3] == pytest.approx(1 - 2 / 50)
    assert a[0, 1] == pytest.approx(1 - 49 / 50)
    assert position(np.array(["", ""]), np.array([1, 2])).nnz == 0
