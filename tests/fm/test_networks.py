"""What holds for every published model: same cell, same vector, whatever stands beside it and however its genes are named."""

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests.fm.conftest import GENES, ensembl_of

import scgnn_tools as sgt
from scgnn_tools._errors import GeneMatchError, InputValueError, SgtWarning, WeightsError
from scgnn_tools.genes import tables

ATOL = 1e-5


def same(a, b) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=ATOL * max(1.0, np.abs(b).max()))


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


def test_columns_in_another_order_beside_unknown_genes_change_nothing(model, cells):
    rng = np.random.default_rng(0)
    unknown = ad.AnnData(
        sp.csr_matrix(rng.poisson(1.0, (40, 80)).astype(np.float32)),
        obs=cells.obs,
        var=pd.DataFrame(index=[f"NOGENE{i}" for i in range(80)]),
    )
    more = ad.concat([cells, unknown], axis=1, merge="same")[:, rng.permutation(280)].copy()
    assert more.n_vars > len(model.vocabulary)
    if model.card.name == "scfoundation":  # the depth of a cell is that of its known genes
        assert model.tokenize(more).values.max() == model.tokenize(cells).values.max()
    same(model.embed_cells(more), model.embed_cells(cells))


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
    with pytest.warns(SgtWarning, match="1 of 40 cells express no gene"):
        vectors = model.embed_cells(cells)
    assert (vectors[5] == 0).all()
    assert (np.abs(vectors).sum(axis=1) > 0).sum() == 39


def test_log_normalised_values_are_taken(model, cells):
    import scanpy as sc

    logged = cells.copy()
    sc.pp.normalize_total(logged, target_sum=1e4)
    sc.pp.log1p(logged)
    vectors = model.embed_cells(logged)
    assert np.isfinite(vectors).all()
    if model.card.name == "geneformer":  # ranks do not see the factor of a cell
        assert (model.tokenize(logged).ids == model.tokenize(cells).ids).mean() > 0.95


def test_saved_models_load_to_the_same_vectors(model, cells, tmp_path):
    model.save(tmp_path / "own")
    again = sgt.fm.load(model.card.name, checkpoint=tmp_path / "own", device="cpu")
    np.testing.assert_array_equal(again.embed_cells(cells), model.embed_cells(cells))
    np.testing.assert_array_equal(again.embed_genes(cells), model.embed_genes(cells))
    np.testing.assert_array_equal(again.embed_genes(cells, context=True), model.embed_genes(cells, context=True))
    assert {p.suffix for p in (tmp_path / "own").rglob("*.*")} <= {".json", ".safetensors", ".npz"}


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


def test_tl_embed_writes_what_it_says(name, folder, cells):
    sgt.tl.embed(cells, model=name, checkpoint=folder, device="cpu", genes="context")
    entry = cells.uns["sgt"][name]
    assert cells.obsm[f"X_{name}"].shape[0] == 40
    assert np.isfinite(cells.obsm[f"X_{name}"]).all()
    assert cells.varm[name].shape[0] == len(GENES)
    assert len(entry["sha256"]) == 64
    assert entry["licence"] == sgt.fm.card(name).licence


def test_another_model_s_folder_is_an_error(folders):
    for name, folder in folders.items():
        other = next(n for n in folders if n != name)
        with pytest.raises(WeightsError):
            sgt.fm.load(other, checkpoint=folder)


def test_a_wrong_option_or_asset_names_the_right_ones(name, folder):
    with pytest.raises(InputValueError, match="no option 'colour'"):
        sgt.fm.load(name, checkpoint=folder, colour="red")
    with pytest.raises(InputValueError, match="no asset 'medians'; its assets are: "):
        sgt.fm.load(name, checkpoint=folder, assets={"medians": "x"})


def test_without_a_checkpoint_the_error_says_where_to_get_it(name):
    with pytest.raises(WeightsError, match="checkpoint="):
        sgt.fm.load(name)
    with pytest.raises(WeightsError, match="There is no"):
        sgt.fm.load(name, checkpoint="/no/such/folder")


def test_the_estimate_is_printed_before_a_long_run(model, cells, monkeypatch, caplog):
    monkeypatch.setattr("scgnn_tools.fm.estimate.WORTH_SAYING", 0.0)
    with caplog.at_level("INFO", logger="scgnn_tools"):
        model.embed_cells(cells)
    assert re.search(
        r"40 cells of [\d,]+ tokens, .* TFLOP: about .* on cpu, .* GB for weights and one batch", caplog.text
    )


def test_half_precision_stays_close(model, cells, folder):
    half = sgt.fm.load(model.card.name, checkpoint=folder, device="cpu", precision="bfloat16")
    a, b = half.embed_cells(cells), model.embed_cells(cells)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.999
