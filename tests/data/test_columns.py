import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.data.columns import to_columns


@pytest.mark.parametrize("n_columns", [1, 63, 64, 65, 300])
def test_it_is_the_product_with_a_matrix_of_zeros_and_ones(n_columns):
    rng = np.random.default_rng(0)
    rows = sp.random_array((20, 200), density=0.3, format="csr", rng=rng, dtype=np.float32)
    rows.data = np.rint(9 * rows.data + 1).astype(np.float32)
    index = rng.integers(-1, n_columns, 200).astype(np.int32)  # some go nowhere, several to one place
    kept = np.flatnonzero(index >= 0)
    matrix = sp.csr_array((np.ones(len(kept)), (kept, index[kept])), shape=(200, n_columns))
    got = to_columns(rows, index, n_columns)
    assert np.array_equal(got.toarray(), (rows @ matrix).toarray())
    assert got.dtype == np.float32
    check = sp.csr_array((got.data, got.indices, got.indptr), shape=got.shape)
    assert check.has_canonical_format
    assert (got.data != 0).all()


def test_no_rows_no_values_and_nothing_known():
    empty = sp.csr_array((3, 5), dtype=np.float32)
    assert to_columns(empty, np.arange(5), 5).nnz == 0
    assert to_columns(empty[:0], np.arange(5), 5).shape == (0, 5)
    assert to_columns(sp.csr_array(np.eye(5, dtype=np.float32)), np.full(5, -1), 2).nnz == 0
