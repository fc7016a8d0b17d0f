"""Attentive pooling, streamed, against dense attention and one sum over all cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from benchmarks import checkpoints

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.grn.pooling import attentive_pooling
from scgnn_tools.nn import Segments
from scgnn_tools.nn.performer import PerformerLayer, key_features, query_features

GENES = checkpoints.genes_like(60)


@pytest.fixture(scope="module", params=["scbert", "geneformer"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "scbert":
        checkpoints.scbert(folder, GENES, n_layers=2, dim=16, n_heads=2)
    else:
        checkpoints.geneformer(folder, checkpoints.ensembl_of(GENES), n_layers=3, dim=16, n_heads=4, max_length=64)
    return sgt.fm.load(request.param, checkpoint=folder, device="cpu")


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, size=(9, 60)) * (rng.random((9, 60)) < 0.6)
    counts[:, 5] = 0  # a gene that no cell expresses
    return ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), var=pd.DataFrame(index=GENES))


def dense(block, x: torch.Tensor, segments: Segments) -> torch.Tensor:
    """The whole attention matrix of one cell, mean over heads."""
    q, k, _ = block.project(x)
    maps = []
    for h in range(q.shape[1]):
        if isinstance(block, PerformerLayer):
            largest = (k * k.shape[-1] ** -0.25 @ block.projection.T).amax()  # over the heads too
            phi_q, phi_k = query_features(q[:, h], block.projection), key_features(k[:, h], block.projection, largest)
            weights = phi_q @ phi_k.T  # D^-1 φ(q) φ(k)ᵀ
            maps.append(weights / weights.sum(dim=1, keepdim=True))
        else:
            maps.append((q[:, h] @ k[:, h].T / q.shape[-1] ** 0.5).softmax(dim=1))
    return torch.stack(maps).mean(dim=0)


def by_hand(model, cells, blocks: str):
    """Return hidden states and attention of every gene in every cell, (n_cells, n_vocabulary, d) and (n_cells, n_vocabulary)."""
    tokens = model.tokenize(cells)
    h = np.zeros((cells.n_obs, len(model.vocabulary), 16))
    a = np.zeros(h.shape[:2])
    for i in range(cells.n_obs):
        one, seen = tokens.select(np.array([i])), {}
        with model.computing():
            hidden, segments = model.hidden(one, watch=lambda block, x, seen=seen: seen.setdefault(block, x))
            at = range(len(model.blocks)) if blocks == "all" else [len(model.blocks) - 1]
            maps = torch.stack([dense(model.blocks[b], seen[b], segments) for b in at]).mean(dim=0)
        received = maps.mean(dim=0).numpy()
        assert received.sum() == pytest.approx(1, abs=1e-5)
        position = model.gene_of_state(one)
        if model.card.name == "scbert":  # all genes, and a last place that is none
            position = np.append(np.arange(60), -1)
        keep = position >= 0
        h[i, position[keep]], a[i, position[keep]] = hidden.numpy()[keep], received[keep]
    return h, a


@pytest.mark.parametrize("blocks", ["all", "last"])
def test_streamed_pooling_is_the_dense_sum(model, cells, blocks, monkeypatch):
    h, a = by_hand(model, cells, blocks)
    found = model.match_names(cells.var_names.to_numpy(), None)
    seen = a > 0
    for pooling, weights in (
        ("attention", a),
        ("attention_softmax", np.where(seen, np.exp(a), 0)),
        ("mean", seen.astype(float)),
    ):
        with np.errstate(invalid="ignore"):
            wanted = np.einsum("ng,ngd->gd", weights / weights.sum(axis=0), h)[found.index]
        monkeypatch.setattr(model, "max_tokens", 100)  # several batches
        got = attentive_pooling(model, cells, pooling=pooling, blocks=blocks)
        assert list(got.index) == GENES
        np.testing.assert_allclose(got.to_numpy(), wanted, atol=2e-5)


def test_zero_expression_has_a_vector_where_every_gene_is_a_token(model, cells):
    vectors = attentive_pooling(model, cells)
    assert np.isnan(vectors.iloc[5]).all() == (model.card.name == "geneformer")
    assert np.isfinite(vectors.drop(index=GENES[5])).all(axis=None)


def test_attention_weighs_the_cells(model, cells):
    plain, weighed = (attentive_pooling(model, cells, pooling=p) for p in ("mean", "attention"))
    assert np.nanmax(np.abs(plain - weighed)) > 1e-4


def test_models_without_context_and_wrong_names(cells):
    bundled = sgt.fm.load("corpus-svd")
    with pytest.raises(InputValueError, match="corpus-svd has no vectors of genes in context"):
        attentive_pooling(bundled, cells)
    with pytest.raises(InputValueError, match="pooling is one of attention, attention_softmax, mean; got 'max'"):
        attentive_pooling(bundled, cells, pooling="max")
