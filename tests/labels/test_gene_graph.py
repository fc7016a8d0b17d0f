"""A known graph of genes as a method takes it: who hears whom, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools.labels import Cells
from scgnn_tools.labels.gene_graph import heard, key_of

GRAPH = np.zeros((5, 5), dtype=np.float32)
GRAPH[0, 1], GRAPH[0, 3], GRAPH[1, 1], GRAPH[2, 4] = 2, 4, 0.5, 8  # 0 regulates 1 and 3, 2 regulates 4
CELLS = Cells(sp.csr_array(np.ones((2, 5))), np.ones((2, 3)), gene_graph=sp.csr_array(GRAPH))


def test_a_gene_hears_its_regulators_and_itself():
    found = heard(CELLS, np.array([0, 1, 3]), "prior").toarray()
    expected = np.array([[4, 0, 0], [2, 0.5, 0], [4, 0, 4]])  # the heaviest edge among these three weighs 4, and not 8
    np.testing.assert_array_equal(found, expected)


def test_the_graph_goes_with_the_training_cells():
    assert CELLS.take(np.array([1])).gene_graph is CELLS.gene_graph
    assert CELLS.beside(Cells(CELLS.expression, CELLS.embedding)).gene_graph is CELLS.gene_graph


def test_what_has_no_edge_is_refused_by_name():
    with pytest.raises(GraphError, match=r"None of the edges of gene_graph='prior' lies between the 2 genes"):
        heard(CELLS, np.array([1, 2]), "prior")  # an edge of a gene to itself is none
    with pytest.raises(InputValueError, match="gene_graph='prior' is a graph that comes with the cells"):
        heard(Cells(CELLS.expression, CELLS.embedding), np.array([0, 1]), "prior")


@pytest.mark.parametrize(
    ("options", "key"), [({}, None), ({"gene_graph": "cosine"}, None), ({"gene_graph": "prior"}, "prior")]
)
def test_which_key_is_asked_for(options, key):
    assert key_of(options) == key
