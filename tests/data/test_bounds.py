"""Damaged sparse matrices: compiled code would read outside of them."""

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import open_expression
from scgnn_tools.data.bounds import check_sparse

COUNTS = np.random.default_rng(1).poisson(0.8, (50, 20)).astype(np.float32)
FAULTS = {
    "an index too large": ("indices", lambda a: a.__setitem__(slice(None, None, 7), 1_000_000), "there are"),
    "an index just outside": ("indices", lambda a: a.__setitem__(3, 50), "there are"),
    "a negative index": ("indices", lambda a: a.__setitem__(3, -1), "places -1"),
    "pointers that go back": ("indptr", lambda a: a.__setitem__(5, a[4] - 2), "go back"),
    "pointers behind the end": ("indptr", lambda a: a.__setitem__(-1, a[-1] + 100), "entries"),
    "pointers that begin late": ("indptr", lambda a: a.__setitem__(0, 3), "do not make"),
}


def damaged(fault, form):
    """A matrix whose arrays were changed in place: scipy looks at them only when it is made."""
    x = sp.csr_matrix(COUNTS) if form == "csr" else sp.csc_matrix(COUNTS)
    name, change, _ = FAULTS[fault]
    change(getattr(x, name))
    return x


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_in_memory(fault, form):
    x, says = damaged(fault, form), FAULTS[fault][2]
    with pytest.raises(InputValueError, match=says):
        check_sparse(x, "X")
    adata = ad.AnnData(sp.csr_matrix(COUNTS))
    adata.layers["counts"] = x
    with pytest.raises(InputValueError, match=r"layers\['counts'\] is a damaged sparse matrix"):
        open_expression(adata, layer="counts")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_on_disk_and_as_a_view(tmp_path, fault, form):
    path = tmp_path / "a.h5ad"
    ad.AnnData(sp.csr_matrix(COUNTS) if form == "csr" else sp.csc_matrix(COUNTS)).write_h5ad(path)
    name, change, _ = FAULTS[fault]
    with h5py.File(path, "r+") as file:
        array = file["X"][name][:]
        change(array)
        file["X"][name][...] = array
    backed = ad.read_h5ad(path, backed="r")
    for adata in (backed, backed[:, ::2]):
        with pytest.raises(InputValueError, match="damaged sparse matrix"):
            list(open_expression(adata).rows(16))
    backed.file.close()


@pytest.mark.parametrize("matrix", [COUNTS, sp.csr_matrix(COUNTS)], ids=["dense", "csr"])
def test_a_reversed_slice_of_a_file_is_read_or_refused(tmp_path, matrix):
    ad.AnnData(matrix).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    by_number = open_expression(backed[np.arange(len(COUNTS))[::-1]])
    try:
        rows = np.vstack([r.toarray() for _, r in open_expression(backed[::-1]).rows()])
    except InputValueError as error:
        assert "Take the cells or genes by number" in str(error)  # noqa: PT017 (which of them anndata reads is its own affair)
    else:
        np.testing.assert_array_equal(rows, np.vstack([r.toarray() for _, r in by_number.rows()]))
    backed.file.close()


def test_a_view_of_a_damaged_matrix_is_not_taken():
    adata = ad.AnnData(sp.csr_matrix(COUNTS))
    adata.X.indices[::7] = 1_000_000
    with pytest.raises(InputValueError, match="X is a damaged sparse matrix"):
        open_expression(adata[:, ::2])


@pytest.mark.parametrize("x", [sp.csr_array(COUNTS), sp.csc_matrix(COUNTS), sp.coo_matrix(COUNTS), COUNTS, None])
def test_what_is_sound_passes(x):
    check_sparse(x, "X")


def test_a_coo_matrix():
    x = sp.coo_array(COUNTS)
    x.coords[1][2] = 20
    with pytest.raises(InputValueError, match="places 0 to 20 of 20"):
        check_sparse(x, "X")
