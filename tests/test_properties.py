"""What must not decide a result: the order of cells and genes, how the matrix is stored, which cells are looked at together."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import scgnn_tools as sgt
from scgnn_tools import assets, genes

KEY = f"X_{sgt.fm.best_bundled()}"
PRIOR = genes.prior()
PRIOR = PRIOR[PRIOR["source"].isin(PRIOR["source"].unique()[::3])]  # enough to learn from, and quick


@pytest.fixture(scope="module")
def cells():
    """160 real cells over 300 genes, as counts from which ambient RNA was removed: the kind that is the hardest to tell."""
    some = assets.immune_reference()[::30][:160].copy()
    often = np.argsort(-np.asarray((some.X > 0).sum(axis=0)).ravel(), kind="stable")
    factors = np.flatnonzero(some.var_names.isin(PRIOR["source"]))
    columns = np.sort(np.unique(np.r_[often[:280], factors[np.argsort(np.argsort(often)[factors])][:20]]))
    some = some[:, columns]
    x = sp.csr_matrix(some.X, dtype=np.float32)
    x.data = (x.data * np.random.default_rng(0).uniform(0.7, 1, x.nnz)).astype(np.float32)
    obs = pd.DataFrame({"label": some.obs["cell_type"].astype(str).to_numpy()}, index=some.obs_names)
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=some.var_names))


def quiet(call, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fractions, classes of one cell, few genes: said elsewhere
        return call(*args, copy=True, **kwargs)


def embed(a):
    return quiet(sgt.tl.embed, a, genes=False).obsm[KEY]


def annotate(a):
    out = quiet(sgt.tl.annotate, a, "label", method="logreg_pca", unknown=None, rng=1)
    return out.obs["sgt_label"].astype(str), out.obsm["sgt_label_proba"]


def network(a, prior=PRIOR, method="pcc"):
    out = quiet(sgt.tl.infer_grn, a, prior, method=method, n_runs=1, n_top=5, controls=False, rng=1).uns["sgt_grn"][
        "edges"
    ]
    return out.set_index(["source", "target"])["score"].sort_index()


def stored(a, tmp_path):
    da = pytest.importorskip("dask.array")
    x = a.X.toarray()
    yield "dense", ad.AnnData(x, obs=a.obs, var=a.var)
    yield "csc", ad.AnnData(sp.csc_array(a.X), obs=a.obs, var=a.var)
    yield "dask", ad.AnnData(da.from_array(x, chunks=(37, 111)), obs=a.obs, var=a.var)
    a.write_h5ad(tmp_path / "a.h5ad")
    yield "backed", ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    a.write_zarr(tmp_path / "a.zarr")
    yield "zarr", ad.io.read_zarr(tmp_path / "a.zarr")


@pytest.fixture(scope="module")
def whole(cells):
    return {"embed": embed(cells), "annotate": annotate(cells), "network": network(cells)}


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_embed_any_order_any_part(cells, whole, seed):
    rng = np.random.default_rng(seed)
    some, columns = rng.permutation(cells.n_obs)[: rng.integers(1, cells.n_obs)], rng.permutation(cells.n_vars)
    np.testing.assert_allclose(embed(cells[some][:, columns].copy()), whole["embed"][some], atol=1e-5)


def test_embed_split_and_joined(cells, whole):
    parts = [embed(cells[a:b].copy()) for a, b in ((0, 1), (1, 60), (60, 160))]
    np.testing.assert_allclose(np.vstack(parts), whole["embed"], atol=1e-5)


def test_annotate_any_order(cells, whole):
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(cells.n_obs), rng.permutation(cells.n_vars)
    labels, proba = annotate(cells[rows][:, columns].copy())
    assert (labels == whole["annotate"][0].iloc[rows]).all()
    np.testing.assert_allclose(proba, whole["annotate"][1].iloc[rows], atol=1e-3)


def test_annotate_one_query_cell_is_itself_among_others(cells):
    query, reference = cells[:12].copy(), cells[12:].copy()
    how = {"reference": reference, "labels_key": "label", "method": "logreg_pca", "unknown": None, "rng": 1}
    together = quiet(sgt.tl.annotate, query, **how).obsm["sgt_label_proba"]
    for i in (0, 7):
        alone = quiet(sgt.tl.annotate, query[i : i + 1].copy(), **how).obsm["sgt_label_proba"]
        np.testing.assert_allclose(alone.to_numpy()[0], together.to_numpy()[i], atol=1e-4)


def test_networks_any_order_of_cells_genes_and_prior(cells, whole):
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(cells.n_obs), rng.permutation(cells.n_vars)
    moved = network(cells[rows][:, columns].copy(), PRIOR.sample(frac=1, random_state=1))
    pd.testing.assert_series_equal(moved, whole["network"], check_exact=False, atol=1e-5)


@pytest.mark.parametrize("method", ["degree", pytest.param("sgt", marks=pytest.mark.slow)])
def test_a_shuffled_prior_gives_the_same_network(cells, method):
    a, b = (network(cells, p, method) for p in (PRIOR, PRIOR.iloc[::-1]))
    pd.testing.assert_series_equal(a, b, check_exact=False, atol=1e-6)


def test_however_it_is_stored(cells, whole, tmp_path):
    for name, one in stored(cells, tmp_path):
        np.testing.assert_allclose(embed(one), whole["embed"], atol=1e-5, err_msg=name)
        if name not in ("dask", "backed"):
            continue
        labels, _ = annotate(one)
        assert (labels.to_numpy() == whole["annotate"][0].to_numpy()).all(), name
        pd.testing.assert_series_equal(network(one), whole["network"], check_exact=False, atol=1e-5)
        if one.isbacked:
            one.file.close()
