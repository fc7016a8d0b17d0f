"""What every foundation model has to do: same cell, same vector, whatever stands beside it and however its genes are named."""

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests.fm.conftest import GENES, WRITERS, ensembl_of

import scgnn_tools as sgt
from scgnn_tools._errors import GeneMatchError, InputTypeError, InputValueError, SgtWarning, WeightsError
from scgnn_tools.fm import masking, saves
from scgnn_tools.fm._registry import MODELS
from scgnn_tools.fm.linear import LinearMap
from scgnn_tools.genes import tables

ATOL = 1e-5


@pytest.fixture(params=list(MODELS))
def name(request) -> str:
    """Every model in turn."""
    return request.param


@pytest.fixture(params=[name for name in MODELS if sgt.fm.card(name).kind != "linear"])
def network(request, models):
    """Every model that is a network."""
    return models[request.param]


def same(a, b) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=ATOL * max(1.0, np.nanmax(np.abs(b))))


def test_every_model_has_a_small_checkpoint():
    assert list(WRITERS) == list(MODELS)


def test_it_is_what_its_card_and_its_entry_say(name, model):
    card, table = sgt.fm.card(name), model.gene_table()
    assert card.name == model.card.name == name
    assert card.bundled == (sgt.fm.list().loc[name, "bundled"])
    assert not (card.bundled and MODELS[name].published)
    assert (card.kind == "linear") == isinstance(model, LinearMap) == (not isinstance(model, sgt.fm.NetworkModel))
    assert model.has_context == isinstance(model, sgt.fm.NetworkModel)
    assert model.card.n_genes == len(model.vocabulary) == len(table)
    assert 0 < table.shape[1] <= model.card.dimension
    assert model.report
    assert name in repr(model)


def test_vectors_are_finite_and_differ_between_cells(model, cells):
    vectors = model.embed_cells(cells)
    assert vectors.shape == (40, model.card.dimension)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors.round(4), axis=0)) == 40


def test_batch_order_and_chunk_change_nothing(model, cells, monkeypatch):
    whole = model.embed_cells(cells)
    same(model.embed_cells(cells, batch_size=1), whole)
    order = np.random.default_rng(1).permutation(40)
    same(model.embed_cells(cells[order].copy()), whole[order])
    same(model.embed_cells(cells[3].copy())[0], whole[3])
    monkeypatch.setattr("scgnn_tools.data.expression.CHUNK", 7)
    same(model.embed_cells(cells), whole)


def test_nothing_is_drawn_unless_it_was_asked_for(name, model, folder, cells):
    again = sgt.fm.load(name, checkpoint=folder, device="cpu")
    np.testing.assert_array_equal(again.embed_cells(cells, rng=1), model.embed_cells(cells, rng=0))
    assert again.fingerprint() == model.fingerprint()


def test_columns_in_another_order_beside_unknown_genes_change_nothing(model, cells):
    """Counts of unknown genes belong to the depth of a cell where a model reads log values: there nobody expresses them."""
    rng = np.random.default_rng(0)
    rate = 1.0 if model.card.input == "counts" else 0.0
    unknown = ad.AnnData(
        sp.csr_matrix(rng.poisson(rate, (40, 80)).astype(np.float32)),
        obs=cells.obs,
        var=pd.DataFrame(index=[f"NOGENE{i}" for i in range(80)]),
    )
    order = rng.permutation(280)
    more = ad.concat([cells, unknown], axis=1, merge="same")[:, order].copy()
    same(model.embed_cells(more), model.embed_cells(cells))
    np.testing.assert_array_equal(model.embed_genes(more)[order.argsort()[:200]], model.embed_genes(cells))
    assert np.isnan(model.embed_genes(more)[order >= 200]).all()


def test_vectors_of_genes_are_rows_of_its_table(model, cells):
    vectors = model.embed_genes(cells)
    assert vectors.shape == (200, model.gene_table().shape[1])
    assert vectors.dtype == np.float32
    at = model.match_names(cells.var_names.to_numpy()).index
    np.testing.assert_array_equal(vectors, model.gene_table()[at])


def test_vectors_of_genes_in_context_where_it_has_them(model, cells):
    if not model.has_context:
        with pytest.raises(InputValueError, match="has no vectors of genes in context"):
            model.embed_genes(cells, context=True)
        return
    vectors = model.embed_genes(cells, context=True)
    assert len(vectors) == 200
    assert np.isfinite(vectors).any(axis=1).sum() > 100


def test_it_adapts_to_cells_or_says_that_it_does_not(model, cells):
    if not model.adapts:
        with pytest.raises(InputValueError, match=f"adapt=True is for cgc-mini; the model is {model.card.name}"):
            model.adapt(cells)
        return
    more = ad.concat([cells] * 3, index_unique="-")
    assert model.adapt(more).card.dimension > model.card.dimension


def test_ensembl_ids_and_symbols_lead_to_the_same_vectors(model, cells):
    by_id = cells.copy()
    by_id.var_names = [f"{e}.3" for e in ensembl_of(cells.var_names)]
    same(model.embed_cells(by_id), model.embed_cells(cells))
    same(model.embed_genes(by_id), model.embed_genes(cells))


def test_a_mouse_dataset_goes_through_orthologs(model, cells):
    to_mouse = tables.mouse_of_human()
    to_mouse = to_mouse[to_mouse.index.isin(GENES) & ~to_mouse.index.duplicated()]
    some = cells[:, to_mouse.index].copy()
    mouse = some.copy()
    mouse.var_names = to_mouse.to_numpy()
    assert (mouse.var_names != some.var_names).mean() > 0.9
    with pytest.warns(SgtWarning, match="148 of 149 go through one-to-one orthologs"):
        vectors = model.embed_cells(mouse)
    same(vectors, model.embed_cells(some))
    mouse.var_names = [f"ENSMUSG{i:011d}" for i in range(mouse.n_vars)]
    with pytest.raises(GeneMatchError, match="ENSMUSG"):
        model.embed_cells(mouse)


def test_an_empty_cell_gets_zeros_and_is_named(model, cells):
    cells.X = sp.csr_matrix(sp.diags_array((np.arange(40) != 5).astype(np.float32)) @ cells.X)
    with pytest.warns(SgtWarning, match=r"1 of 40 cells express no gene .* sc\.pp\.filter_cells"):
        vectors = model.embed_cells(cells)
    assert (vectors[5] == 0).all()
    assert (np.abs(vectors).sum(axis=1) > 0).sum() == 39


def test_nothing_in_common(model):
    with pytest.raises(GeneMatchError, match="Matched 0 of 2 genes"):
        model.embed_cells(ad.AnnData(np.ones((2, 2), dtype=np.float32), var={"x": [1, 2]}))


def test_log_normalised_values_are_taken(model, cells):
    import scanpy as sc

    logged = cells.copy()
    sc.pp.normalize_total(logged, target_sum=1e4)
    sc.pp.log1p(logged)
    vectors = model.embed_cells(logged)
    assert np.isfinite(vectors).all()
    if model.card.input == "log1p":
        same(vectors, model.embed_cells(cells))


def test_saved_models_load_to_the_same_vectors(name, model, cells, tmp_path):
    model.save(tmp_path / "own")
    again = sgt.fm.load(name, checkpoint=tmp_path / "own", device="cpu")
    np.testing.assert_array_equal(again.embed_cells(cells), model.embed_cells(cells))
    np.testing.assert_array_equal(again.embed_genes(cells), model.embed_genes(cells))
    np.testing.assert_array_equal(again.vocabulary, model.vocabulary)
    if model.has_context:
        np.testing.assert_array_equal(again.embed_genes(cells, context=True), model.embed_genes(cells, context=True))
    assert {p.suffix for p in (tmp_path / "own").rglob("*.*")} <= {".json", ".safetensors", ".npz"}
    with pytest.raises(InputValueError, match="overwrite=True"):
        model.save(tmp_path / "own")
    model.save(tmp_path / "own", overwrite=True)


def test_convert_recognises_the_model(name, folder, cells, tmp_path):
    loaded = sgt.fm.convert(folder, tmp_path / "new", device="cpu")
    assert loaded.card.name == name
    again = sgt.fm.load(name, checkpoint=tmp_path / "new", device="cpu")
    np.testing.assert_array_equal(again.embed_cells(cells), loaded.embed_cells(cells))
    assert sgt.fm.recognise(tmp_path / "new") == name
    with pytest.raises(InputValueError, match="there already"):
        sgt.fm.convert(folder, tmp_path / "new")


def test_what_is_no_checkpoint_is_not_recognised(tmp_path):
    with pytest.raises(InputValueError, match="not recognised"):
        sgt.fm.convert(tmp_path, tmp_path / "new")


def test_tl_embed_writes_what_it_says(name, model, folder, cells):
    genes = "context" if model.has_context else "static"
    sgt.tl.embed(cells, model=name, checkpoint=folder, device="cpu", genes=genes)
    entry = cells.uns["sgt"][name]
    assert cells.obsm[f"X_{name}"].shape[0] == 40
    assert np.isfinite(cells.obsm[f"X_{name}"]).all()
    assert cells.varm[name].shape[0] == len(GENES)
    assert len(entry["sha256"]) == 64
    assert entry["licence"] == sgt.fm.card(name).licence


def test_another_model_s_folder_is_an_error(name, folders):
    for other in folders:
        if other != name:
            with pytest.raises(
                WeightsError, match=f"holds a (model|checkpoint of) '?{other}'?; '{name}' was asked for"
            ):
                sgt.fm.load(name, checkpoint=folders[other])


@pytest.mark.parametrize(
    ("cls", "reads"),
    [("FineTuner", "models.FineTuner"), ("ScBiGNN", "models.ScBiGNN"), ("Annotator", "annotation.Annotator")],
)
def test_a_folder_of_a_class_says_what_reads_it(name, tmp_path, cls, reads):
    saves.save(tmp_path / "m", {"none": np.zeros(1, dtype=np.float32)}, {"class": cls, "model": "scgpt"})
    with pytest.raises(WeightsError, match=rf"holds a {cls}, .* Load it with sgt\.{reads}\.load\(folder\)"):
        sgt.fm.load(name, checkpoint=tmp_path / "m")


def test_a_wrong_option_or_asset_names_the_right_ones(name, folder):
    with pytest.raises(InputValueError, match=r"no option 'colour'; its options are: .*device, precision"):
        sgt.fm.load(name, checkpoint=folder, colour="red")
    with pytest.raises(InputTypeError, match=r"assets is a dict of files by role.*; got 'vocab\.json'"):
        sgt.fm.load(name, checkpoint=folder, assets="vocab.json")
    with pytest.raises(InputValueError, match="no asset 'colours'; its assets are: "):
        sgt.fm.load(name, checkpoint=folder, assets={"colours": "x"})


@pytest.mark.parametrize(("word", "says"), [("device", "Device 'abacus' is not available"), ("precision", "precision")])
def test_a_device_or_precision_that_there_is_not(name, folder, word, says):
    with pytest.raises(InputValueError, match=says):
        sgt.fm.load(name, checkpoint=folder, **{word: "abacus"})


def test_without_a_checkpoint_it_is_the_bundled_one_or_the_error_says_where_to_get_it(name, model):
    if model.card.bundled:
        assert sgt.fm.load(name).card == sgt.fm.card(name)
    else:
        with pytest.raises(WeightsError, match="checkpoint="):
            sgt.fm.load(name)
    with pytest.raises(WeightsError, match="There is no"):
        sgt.fm.load(name, checkpoint="/no/such/folder")


def test_the_estimate_is_printed_before_a_long_run(network, cells, monkeypatch, caplog):
    monkeypatch.setattr("scgnn_tools.fm.estimate.WORTH_SAYING", 0.0)
    with caplog.at_level("INFO", logger="scgnn_tools"):
        network.embed_cells(cells)
    assert re.search(
        r"40 cells of [\d,]+ tokens, .* TFLOP: about .* on cpu, .* GB for weights and one batch", caplog.text
    )


def test_half_precision_stays_close(network, cells, folders):
    half = sgt.fm.load(network.card.name, checkpoint=folders[network.card.name], device="cpu", precision="bfloat16")
    a, b = half.embed_cells(cells), network.embed_cells(cells)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.999


def test_what_a_network_reads_of_a_gene(network, cells):
    """``gene_input``, ``longest`` and ``top_value`` stand in the class; ``gene_of_token`` and ``masked_loss`` go with them."""
    network = network.contextual()
    tokens = network.tokenize(cells)
    genes = network.gene_of_token(tokens)
    assert genes.shape == tokens.ids.shape
    assert genes.max() < len(network.vocabulary)
    assert network.longest is None or tokens.lengths.max() <= network.longest
    assert network.gene_input in (None, "rank", "value")
    if network.gene_input == "value":
        own = tokens.values[genes >= 0]
        assert network.top_value(own) >= own.max()
    hidden = masking.draw(network.is_gene(tokens), network.mask_share, np.random.default_rng(0))
    losses = [float(network.masked_loss(tokens, hidden, np.random.default_rng(0)).detach()) for _ in range(2)]
    assert np.isfinite(losses).all()
    assert losses[0] == losses[1]
