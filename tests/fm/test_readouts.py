"""Genes in context and attention, streamed, against what is computed by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError


def by_hand(model, cells):
    """Return the hidden state of each expressed gene of each cell, {(cell, gene): vector}."""
    model = model.contextual()
    tokens, out = model.tokenize(cells), {}
    for i in range(cells.n_obs):
        one = tokens.select(np.array([i]))
        hidden = model.forward(one).numpy()
        for row, gene in zip(hidden, model.gene_of_state(one), strict=True):
            if gene >= 0:
                out[i, model.vocabulary[gene]] = row
    return out


def names_of(model, cells):
    """Return the gene of the vocabulary that each column is."""
    found = model.match_names(cells.var_names.to_numpy(), None)
    return np.where(found.index >= 0, model.vocabulary[found.index], None)


def test_context_vectors_are_the_mean_over_the_cells_that_express_a_gene(model, cells):
    seen = by_hand(model, cells)
    got = model.embed_genes(cells, context=True)
    groups = model.embed_genes(cells, groupby="group")
    assert list(groups) == ["a", "b"]
    column, group = names_of(model, cells), cells.obs["group"].to_numpy()
    for j in range(0, cells.n_vars, 7):
        rows = {i: v for (i, g), v in seen.items() if g == column[j]}
        if not rows:
            assert np.isnan(got[j]).all()
            continue
        np.testing.assert_allclose(got[j], np.mean(list(rows.values()), axis=0), atol=2e-4)
        for word in groups:
            mine = [v for i, v in rows.items() if group[i] == word]
            if mine:
                np.testing.assert_allclose(groups[word][j], np.mean(mine, axis=0), atol=2e-4)
            else:
                assert np.isnan(groups[word][j]).all()


def test_context_does_not_depend_on_the_batch(model, cells, monkeypatch):
    whole = model.embed_genes(cells, weights="attention")
    monkeypatch.setattr(model, "max_tokens", 1)
    np.testing.assert_allclose(model.embed_genes(cells, weights="attention"), whole, atol=1e-4)


def test_attention_weighs_the_cells(model, cells):
    plain, weighed = model.embed_genes(cells, context=True), model.embed_genes(cells, weights="attention")
    assert (np.isnan(plain) == np.isnan(weighed)).all()
    assert np.nanmax(np.abs(plain - weighed)) > 1e-4


def test_attention_received_is_a_share_of_the_cell(model, cells):
    one = cells[:1].copy()
    received = model.attention_received(one)
    assert received.index.equals(one.var_names)
    assert 0 < received.sum() <= 1 + 1e-5
    assert (received.dropna() > 0).all()
    expressed = np.asarray(one.X.todense()).ravel() > 0
    assert received[~expressed].isna().all()
    table = model.attention_received(cells, groupby="group")
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["a", "b"]


def test_attention_map_agrees_with_attention_received(model, cells):
    one = cells[:1].copy()
    expressed = one.var_names[np.asarray(one.X.todense()).ravel() > 0]
    table = model.attention(one, expressed)
    assert table.shape == (len(expressed), len(expressed))
    assert table.notna().to_numpy().mean() > 0.9  # a gene behind the longest cell's end has no attention
    assert (table.sum(axis=1) <= 1 + 1e-5).all()
    assert (table.fillna(0) >= 0).all(axis=None)
    if model.card.name == "geneformer":  # all queries but <cls> and <eos> are genes
        received = model.attention_received(one)[expressed]
        pairs = pd.concat([received, table.mean(axis=0)], axis=1).dropna()
        assert np.corrcoef(pairs.T)[0, 1] > 0.9


def test_wrong_requests_are_named(model, cells):
    with pytest.raises(MissingKeyError, match="NOSUCH"):
        model.attention(cells, ["NOSUCH"])
    with pytest.raises(InputValueError, match="'attention'"):
        model.embed_genes(cells, weights="mean")
    with pytest.raises(MissingKeyError, match="colour"):
        model.embed_genes(cells, groupby="colour")
    cells.obs["some"] = ["a", None] * (cells.n_obs // 2)
    with pytest.raises(InputValueError, match="every cell needs a value of groupby"):
        model.embed_genes(cells, groupby="some")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m, c: m.attention(c, [*c.var_names[:2], c.var_names[0]]), "twice. Pass each gene once"),
        (lambda m, c: m.attention(c, 3), "genes is a text or a list of them; got 3"),
        (lambda m, c: m.embed_genes(c, context="yes"), "context is True, False or None; got 'yes'"),
        (lambda m, c: m.embed_genes(c, context=False, groupby="group"), "context=False asks .* groupby= for vectors"),
        (lambda m, c: m.embed_genes(c, context=False, weights="attention"), "context=False asks .* weights= for"),
        (
            lambda m, c: m.embed_genes(c, layer="typo", rng=0),
            "reads no cell; leave out layer, rng, or pass context=True",
        ),
        (lambda m, c: m.embed_genes(c, context=False, rng="x"), "The gene table reads no cell; leave out rng, or"),
        (lambda m, c: m.embed_cells(c, batch_size=0), "batch_size is a positive integer or None; got 0"),
        (lambda m, c: m.embed_cells(c, batch_size=True), "batch_size is a positive integer or None; got True"),
        (lambda m, c: m.embed_cells(c, batch_size=float("nan")), "batch_size is a positive integer or None; got nan"),
        (lambda m, c: m.embed_cells(c, batch_size="x"), "batch_size is a positive integer or None; got 'x'"),
        (lambda m, c: m.embed_cells(c, foo=1), r"\.embed_cells\(\) has no option 'foo'; its options are: adata, layer"),
        (lambda m, c: m.embed_cells(), r"\.embed_cells\(\) wants adata=, which is missing"),
    ],
)
def test_methods_name_a_wrong_argument_before_any_work(model, cells, call, says):
    with pytest.raises((InputValueError, InputTypeError), match=says):
        call(model, cells)


def test_attention_takes_one_gene_by_its_name(model, cells):
    gene = model.contextual().match_names(cells.var_names.to_numpy()).matched.argmax()
    assert model.attention(cells, cells.var_names[gene]).shape == (1, 1)


def test_a_modality_is_passed_by_itself(model, cells):
    data = pytest.importorskip("mudata").MuData({"gex": cells})
    with pytest.raises(InputTypeError, match=r"mdata\.mod\['rna'\]"):
        model.embed_cells(data)


def test_layers_are_counted_from_the_embeddings(model, cells):
    tokens = model.contextual().tokenize(cells[:2].copy())
    hidden = [model.contextual().forward(tokens, layer=i) for i in range(len(model.contextual().blocks) + 1)]
    assert len({tuple(h[0, :3].tolist()) for h in hidden}) == len(hidden)
    torch.testing.assert_close(model.contextual().forward(tokens, layer=-1), hidden[-1])
    with pytest.raises(ValueError, match="layer lies between"):
        model.contextual().forward(tokens, layer=99)
