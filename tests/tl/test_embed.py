import hashlib

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, SgtWarning

KEY = sgt.fm.best_bundled()
WRITTEN = {f"obsm['X_{KEY}']", f"varm['{KEY}']", "uns['sgt']"}


def test_the_bare_call_writes_what_is_documented_and_nothing_else(pbmc68k):
    before = pbmc68k.copy()
    assert sgt.tl.embed(pbmc68k) is None
    assert changed(before, pbmc68k) == WRITTEN
    assert pbmc68k.obsm[f"X_{KEY}"].dtype == np.float32
    assert pbmc68k.varm[KEY].shape == (765, sgt.fm.load(KEY).gene_table().shape[1])
    entry = pbmc68k.uns["sgt"][KEY]
    assert set(entry) == {"params", "genes", "sha256", "licence", "empty_cells"}
    assert entry["params"]["matrix"] == "raw"
    assert entry["sha256"] == sgt.fm.card(KEY).sha256


def test_it_says_in_one_line_what_it_chose_and_why(pbmc68k, caplog):
    with caplog.at_level("INFO", logger="scgnn_tools"):
        sgt.tl.embed(pbmc68k)
    (line,) = (r.getMessage() for r in caplog.records)
    assert KEY in line
    assert "the best bundled model" in line
    assert "on raw (log1p)" in line


def test_copy_key_added_and_no_genes(pbmc68k):
    before = pbmc68k.copy()
    out = sgt.tl.embed(pbmc68k, key_added="mine", genes=False, copy=True)
    assert changed(before, pbmc68k) == set()
    assert changed(before, out) == {"obsm['X_mine']", "uns['sgt']"}


def test_two_results_side_by_side(pbmc68k):
    sgt.tl.embed(pbmc68k, key_added="a")
    sgt.tl.embed(pbmc68k, key_added="b")
    assert {"a", "b"} <= set(pbmc68k.uns["sgt"])
    assert np.array_equal(pbmc68k.obsm["X_a"], pbmc68k.obsm["X_b"])


def test_a_loaded_model(pbmc68k, tmp_path):
    model = sgt.fm.load(KEY)
    sgt.tl.embed(pbmc68k, model)
    with pytest.raises(InputValueError, match="checkpoint= goes with the name"):
        sgt.tl.embed(pbmc68k, model, checkpoint=tmp_path)
    model.save(tmp_path)
    sgt.tl.embed(pbmc68k, KEY, checkpoint=tmp_path, key_added="own")
    np.testing.assert_allclose(pbmc68k.obsm["X_own"], pbmc68k.obsm[f"X_{KEY}"], atol=1e-6)


def test_a_view_becomes_an_object_and_its_parent_stays(pbmc68k):
    before = pbmc68k.copy()
    view = pbmc68k[10:20]
    sgt.tl.embed(view)
    assert view.obsm[f"X_{KEY}"].shape[0] == 10
    assert changed(before, pbmc68k) == set()


@pytest.mark.parametrize("write", ["h5ad", "zarr"])
def test_round_trip(pbmc68k, tmp_path, write):
    sgt.tl.embed(pbmc68k)
    path = tmp_path / f"a.{write}"
    getattr(pbmc68k, f"write_{write}")(path)
    back = getattr(ad.io, f"read_{write}")(path)
    assert np.array_equal(back.obsm[f"X_{KEY}"], pbmc68k.obsm[f"X_{KEY}"])
    assert np.array_equal(back.varm[KEY], pbmc68k.varm[KEY], equal_nan=True)
    assert dict(back.uns["sgt"][KEY]["params"]) == pbmc68k.uns["sgt"][KEY]["params"]
    assert dict(back.uns["sgt"][KEY]["genes"]) == pbmc68k.uns["sgt"][KEY]["genes"]


def test_backed_read_only(tmp_path):
    from scgnn_tools.assets import immune_reference

    cells = immune_reference()[::50].copy()
    path = tmp_path / "a.h5ad"
    cells.write_h5ad(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    backed = ad.read_h5ad(path, backed="r")
    sgt.tl.embed(backed)
    sgt.tl.embed(cells)
    np.testing.assert_allclose(backed.obsm[f"X_{KEY}"], cells.obsm[f"X_{KEY}"], atol=1e-6)
    with pytest.raises(InputValueError, match=r"view of a backed AnnData.*to_memory"):
        sgt.tl.embed(backed[:3])
    assert sgt.tl.embed(backed[:3], copy=True).obsm[f"X_{KEY}"].shape[0] == 3
    backed.file.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


def test_counts_and_their_logarithm_give_the_same_vectors():
    import scanpy as sc

    from scgnn_tools.assets import immune_reference

    counts = immune_reference()[::100].copy()
    log = counts.copy()
    sc.pp.normalize_total(log, target_sum=1e4)
    sc.pp.log1p(log)
    for a in (counts, log):
        sgt.tl.embed(a)
    np.testing.assert_allclose(counts.obsm[f"X_{KEY}"], log.obsm[f"X_{KEY}"], atol=1e-4)


def test_empty_cells_are_listed(pbmc68k):
    x = pbmc68k.raw.X[:5].tolil()
    x[3] = 0
    a = ad.AnnData(sp.csr_matrix(x), var=pbmc68k.raw.var)
    with pytest.warns(SgtWarning, match="1 of 5 cells express no gene"):
        sgt.tl.embed(a)
    assert a.uns["sgt"][KEY]["empty_cells"].tolist() == [3]


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"batch_size": 0}, "batch_size is 'auto' or a positive integer"),
        ({"batch_size": "many"}, "batch_size is 'auto'"),
        ({"genes": "all"}, "genes is 'static', 'context' or False"),
        ({"model": "gpt9"}, "the models are"),
        ({"organism": "fly"}, "'human' or 'mouse'"),
    ],
)
def test_wrong_arguments_change_nothing(pbmc68k, kwargs, says):
    before = pbmc68k.copy()
    with pytest.raises(InputValueError, match=says):
        sgt.tl.embed(pbmc68k, **kwargs)
    assert changed(before, pbmc68k) == set()
