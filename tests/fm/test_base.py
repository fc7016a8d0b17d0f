"""What the streaming loop does with the cells of the best bundled model; test_contract.py asks every model."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scgnn_tools as sgt
from scgnn_tools import assets

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


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_in_another_order_of_cells_and_genes(vectors, cells, model, seed):
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(cells.n_obs)[:40], rng.permutation(cells.n_vars)
    got = model.embed_cells(cells[rows][:, columns].copy())
    np.testing.assert_allclose(got, vectors[rows], atol=ATOL, rtol=0)


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
