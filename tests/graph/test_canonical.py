import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scgnn_tools._errors import GraphError
from scgnn_tools.graph import canonical
from scgnn_tools.graph.canonical import as_csr

edge = st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.0, 0.5, 1.0, 2.0]))


@settings(max_examples=80, deadline=None)
@given(st.lists(edge, max_size=30))
def test_no_loops_duplicates_or_zeros_and_the_largest_weight(edges):
    rows, columns, weights = (np.array([e[k] for e in edges]) for k in range(3))
    a = canonical(rows, columns, weights, (7, 7))
    expected = np.zeros((7, 7), dtype=np.float32)
    for i, j, w in edges:
        if i != j:
            expected[i, j] = max(expected[i, j], w)
    assert np.array_equal(a.toarray(), expected)
    assert a.has_sorted_indices
    assert (a.data > 0).all()


def test_a_bipartite_graph_keeps_equal_numbers():
    assert canonical(np.array([0]), np.array([0]), None, (2, 3)).nnz == 1


@pytest.mark.parametrize(
    ("rows", "columns", "weights", "says"),
    [
        ([0, 9], [1, 1], None, "Edge 1 goes from node 9 to 1, outside 3 × 3 nodes"),
        ([-1], [1], None, "outside"),
        ([0], [1], [-2.0], "has weight -2.0; weights are finite and not negative"),
        ([0], [1], [np.nan], "has weight nan"),
    ],
)
def test_what_is_refused(rows, columns, weights, says):
    with pytest.raises(GraphError, match=says):
        canonical(np.array(rows), np.array(columns), None if weights is None else np.array(weights), (3, 3))


def test_a_kept_matrix_of_any_kind_is_read():
    dense = np.array([[0, 2], [0, 0]])
    for matrix in (dense.astype(np.float16), dense > 1, dense.tolist(), sp.csc_matrix(dense)):
        assert as_csr(matrix).nnz == 1
