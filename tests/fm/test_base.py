"""Same cell, same vector: alone, in any batch, order, chunk and form."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import GeneMatchError, SgtWarning

ATOL = 1e-5


@pytest.fixture(scope="module")
def cells():
    """300 real cells, every 16th of the bundled reference."""
    return assets.immune_reference()[::16].copy()


@pytest.fixture(scope="module")
def model():
    return sgt.fm.load(sgt.fm.best_bundled())


@pytest.fixture(scope="module")
def vectors(model, cells):
    return model.embed_cells(cells)


def test_shape_and_type(vectors, cells, model):
    assert vectors.shape == (cells.n_obs, model.card.dimension)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_alone(vectors, cells, model):
    for i in (0, 7, cells.n_obs - 1):
        np.testing.assert_allclose(model.embed_cells(cells[i].copy())[0], vectors[i], atol=ATOL, rtol=0)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_in_another_order_of_cells_and_genes(vectors, cells, model, seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(cells.n_obs)[:40], rng.permutation(cells.n_vars)
    got = model.embed_cells(cells[rows][:, columns].copy())
    np.testing.assert_allclose(got, vectors[rows], atol=ATOL, rtol=0)


@pytest.mark.parametrize("chunk", [1, 17, 100])
def test_in_another_chunk(vectors, cells, model, monkeypatch, chunk):
    monkeypatch.setattr("scgnn_tools.data.expression.CHUNK", chunk)
    np.testing.assert_allclose(model.embed_cells(cells), vectors, atol=ATOL, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_in_another_batch(vectors, cells, model, batch_size):
    np.testing.assert_allclose(model.embed_cells(cells, batch_size=batch_size), vectors, atol=ATOL, rtol=0)


def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(vectors, cells, caplog, monkeypatch):
    model = sgt.fm.load(sgt.fm.best_bundled())
    monkeypatch.setattr(model, "max_tokens", 2**20)
    whole = type(model).cell_vectors

    def little_memory(self, tokens):
        if tokens.n_cells * tokens.lengths.max() > 2**17:
            raise MemoryError
        return whole(self, tokens)

    monkeypatch.setattr(type(model), "cell_vectors", little_memory)
    with caplog.at_level("INFO", logger="scgnn_tools"):
        got = model.embed_cells(cells)
    assert "Out of memory at tokens a batch=" in caplog.text
    np.testing.assert_allclose(got, vectors, atol=ATOL, rtol=0)


def test_tokens_say_what_the_cell_expresses(cells, model):
    tokens = model.tokenize(cells[:5].copy())
    assert tokens.n_cells == 5
    assert (tokens.lengths <= np.diff(sp.csr_array(cells.X[:5]).indptr)).all()
    assert (tokens.ids < len(model.vocabulary)).all()


@pytest.mark.parametrize("kind", ["counts", "log1p"])
def test_counts_of_a_gene_that_stands_twice_add_up_before_the_logarithm(cells, model, kind):
    once = cells[:40].copy()
    half = np.floor(once.X.toarray() / 2)
    x = np.hstack([once.X.toarray() - half, half])
    if kind == "log1p":
        scale = 1e4 / x.sum(axis=1, keepdims=True)
        x, once.X = np.log1p(x * scale), np.log1p(once.X.toarray() * scale)
    twice = ad.AnnData(
        x.astype(np.float32), var=pd.DataFrame(index=[*once.var_names, *(f"{n} " for n in once.var_names)])
    )
    twice.var["gene"] = [*once.var_names, *once.var_names]
    np.testing.assert_allclose(model.embed_cells(twice, gene_key="gene"), model.embed_cells(once), atol=ATOL)


def test_cells_without_a_known_gene(cells, model):
    x = cells[:4].copy()
    counts = x.X.tolil()
    counts[2] = 0
    x.X = sp.csr_matrix(counts)
    with pytest.warns(SgtWarning, match=r"1 of 4 cells express no gene .* sc\.pp\.filter_cells"):
        v = model.embed_cells(x)
    assert (v[2] == 0).all()
    assert (np.abs(v[[0, 1, 3]]).sum(axis=1) > 0).all()


def test_genes(cells, model):
    names = cells.var_names.to_list()
    names[3] = "no such gene"
    v = model.embed_genes(ad.AnnData(cells.X, var={"x": names}, obs=cells.obs).copy(), gene_key="x")
    assert v.shape == (cells.n_vars, model.gene_table().shape[1])
    assert np.isnan(v[3]).all()
    at = model.vocabulary.tolist().index(names[10])
    assert np.array_equal(v[10], model.gene_table()[at])


def test_nothing_in_common(model):
    with pytest.raises(GeneMatchError, match="Matched 0 of 2 genes"):
        model.embed_cells(ad.AnnData(np.ones((2, 2), dtype=np.float32), var={"x": [1, 2]}))
