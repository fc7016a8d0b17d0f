import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.data import rows

dense = hnp.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=st.integers(0, 5).map(float))


@settings(max_examples=60, deadline=None)
@given(dense)
def test_all_forms_give_the_same_rows(x):
    expected = rows.canonical(x)
    for form in (sp.csr_matrix, sp.csr_array, sp.csc_matrix, sp.csc_array, sp.coo_array):
        got = rows.take(rows.prepare(form(x)), 0, len(x))
        assert got.format == "csr"
        assert np.array_equal(got.indices, expected.indices)
        assert np.array_equal(got.indptr, expected.indptr)
        assert np.array_equal(got.data, expected.data)


def test_unsorted_duplicated_and_explicit_zeros():
    messy = sp.csr_array((np.array([5.0, 0.0, 1.0, 2.0]), np.array([2, 1, 0, 0]), np.array([0, 4])), shape=(1, 3))
    before = messy.copy()
    out = rows.canonical(messy)
    assert out.indices.tolist() == [0, 2]
    assert out.data.tolist() == [3.0, 5.0]
    # the user's own matrix stays as messy as it was
    assert np.array_equal(messy.indices, before.indices)
    assert np.array_equal(messy.data, before.data)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "uint16", "int64", "bool"])
def test_number_types(dtype):
    x = np.array([[0, 1], [1, 0]], dtype=dtype)
    assert rows.canonical(x).dtype == np.float32
    assert rows.canonical(x).toarray().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("dtype", ["object", "complex64", "U3"])
def test_what_is_no_number_is_refused(dtype):
    with pytest.raises(InputTypeError, match="numbers are wanted"):
        rows.canonical(np.array([["1"]]).astype(dtype))


def test_uint16_does_not_overflow():
    x = sp.csr_matrix(np.full((2, 3), 65535, dtype=np.uint16))
    assert rows.canonical(x).sum(dtype=np.float64) == 6 * 65535


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_value_is_named(bad):
    x = np.zeros((4, 5), dtype=np.float32)
    x[2, 3] = bad
    x[3, 0] = bad
    with pytest.raises(InputValueError, match=r"X holds .* the first at cell 12, gene 3"):
        rows.check_values(rows.canonical(x), "X", first_row=10)


def test_a_sample_is_small_and_fixed():
    x = sp.csr_matrix(np.arange(2000, dtype=np.float32).reshape(1000, 2))
    a, b = rows.sample(x, 1000), rows.sample(x, 1000)
    assert a.shape[0] == rows.SAMPLED_ROWS
    assert np.array_equal(a.data, b.data)
    assert a.max() == 1999  # the end is in it
