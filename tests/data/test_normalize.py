import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scgnn_tools.data.normalize import TARGET_SUM, log_normalize, renormalize

counts = hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 50).map(float))


@settings(max_examples=50, deadline=None)
@given(counts)
def test_log_normalize_is_scanpy_s(x):
    import scanpy as sc
    from anndata import AnnData

    keep = x.sum(axis=1) > 0
    if not keep.any():
        return
    ours = log_normalize(sp.csr_array(x)).toarray()
    theirs = AnnData(x[keep].copy())
    sc.pp.normalize_total(theirs, target_sum=TARGET_SUM)
    sc.pp.log1p(theirs)
    np.testing.assert_allclose(ours[keep], theirs.X, rtol=2e-6)
    assert (ours[~keep] == 0).all()


@settings(max_examples=50, deadline=None)
@given(counts)
def test_a_log_normalised_cell_stays_as_it_is(x):
    once = log_normalize(sp.csr_array(x))
    np.testing.assert_allclose(renormalize(once).toarray(), once.toarray(), rtol=1e-6)


def test_larger_totals_are_scaled_down_and_smaller_left_alone():
    million = np.log1p(np.array([[4e5, 6e5]], dtype=np.float32))
    np.testing.assert_allclose(np.expm1(renormalize(sp.csr_array(million)).toarray()).sum(), TARGET_SUM, rtol=1e-4)
    part = np.log1p(np.array([[100.0, 200.0]], dtype=np.float32))
    np.testing.assert_allclose(renormalize(sp.csr_array(part)).toarray(), part, rtol=1e-6)
