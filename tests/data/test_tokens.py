import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scgnn_tools.data import Tokens

matrices = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 9), st.integers(1, 7)), elements=st.integers(0, 3).map(float)
)


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_to_and_from_a_matrix(x):
    tokens = Tokens.from_csr(sp.csr_array(x))
    assert np.array_equal(tokens.to_csr(x.shape[1]).toarray(), x)
    assert np.array_equal(tokens.lengths, (x > 0).sum(axis=1))
    assert tokens.ids.dtype == np.int32
    assert tokens.offsets.dtype == np.int64


@settings(max_examples=60, deadline=None)
@given(matrices, st.data())
def test_selecting_cells_is_selecting_rows(x, data):
    cells = np.array(data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, max_size=12)))
    tokens = Tokens.from_csr(sp.csr_array(x)).select(cells)
    assert np.array_equal(tokens.to_csr(x.shape[1]).toarray(), x[cells])


def test_tokens_without_values():
    tokens = Tokens(np.array([2, 0, 1], dtype=np.int32), None, np.array([0, 2, 3]))
    assert tokens.select(np.array([1])).ids.tolist() == [1]
    assert tokens.to_csr(3).toarray().tolist() == [[1, 0, 1], [0, 1, 0]]


def test_parts_that_do_not_fit_together():
    with pytest.raises(ValueError, match="do not fit together"):
        Tokens(np.zeros(3, dtype=np.int32), None, np.array([0, 2]))
    with pytest.raises(ValueError, match="do not fit together"):
        Tokens(np.zeros(3, dtype=np.int32), np.zeros(2), np.array([0, 3]))
