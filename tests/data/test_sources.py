"""The same rows from everything that can hold a matrix."""

import hashlib

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.data import open_expression

COUNTS = np.random.default_rng(1).poisson(0.8, (50, 20)).astype(np.float32)


def sources(tmp_path):
    yield "dense", ad.AnnData(COUNTS.copy())
    yield "csr", ad.AnnData(sp.csr_matrix(COUNTS))
    yield "csc", ad.AnnData(sp.csc_matrix(COUNTS))
    yield "csr_array", ad.AnnData(sp.csr_array(COUNTS))
    yield "view", ad.AnnData(np.vstack([COUNTS, COUNTS]))[:50]
    for name, x in (("csr", sp.csr_matrix(COUNTS)), ("csc", sp.csc_matrix(COUNTS)), ("dense", COUNTS)):
        path = tmp_path / f"{name}.h5ad"
        ad.AnnData(x).write_h5ad(path)
        for mode in ("r", "r+"):
            yield f"backed {name} {mode}", ad.read_h5ad(path, backed=mode)
    path = tmp_path / "a.zarr"
    ad.AnnData(sp.csr_matrix(COUNTS)).write_zarr(path)
    yield "zarr", ad.io.read_zarr(path)


def test_all_sources_give_the_same_rows(tmp_path):
    seen = []
    for name, adata in sources(tmp_path):
        got = np.concatenate([block.toarray() for _, block in open_expression(adata).rows(16)])
        assert np.array_equal(got, COUNTS), name
        seen.append(name)
        if adata.isbacked:
            adata.file.close()
    assert len(seen) == 12


@pytest.mark.parametrize("sparse", [True, False])
def test_dask(sparse):
    da = pytest.importorskip("dask.array")
    x = da.from_array(COUNTS, chunks=(13, 20))
    if sparse:
        x = x.map_blocks(sp.csr_matrix)
    got = np.concatenate([block.toarray() for _, block in open_expression(ad.AnnData(x)).rows(16)])
    assert np.array_equal(got, COUNTS)


def test_a_backed_file_stays_as_it_is(tmp_path):
    path = tmp_path / "a.h5ad"
    ad.AnnData(sp.csr_matrix(COUNTS)).write_h5ad(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    adata = ad.read_h5ad(path, backed="r")
    list(open_expression(adata).rows())
    adata.file.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
