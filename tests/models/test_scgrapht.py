import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests.models.test_cell_labels import cells

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, LabelError, MissingKeyError

QUICK = {"max_epochs": 12, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def adata():
    out = cells()
    sgt.models.ScGraPhT.setup_anndata(out, labels_key="cell_type")
    return out


@pytest.mark.parametrize(
    "options",
    [
        {"pathway": "P1", "scheme": "graph"},
        {"pathway": "P3", "sparsify": 10},
        {"pathway": "P4", "normalize": "sym", "sparsify": "adaptive", "lam": "learned"},
        {"pathway": "CG-GC-CG", "fuse": "log", "lam": 0.5, "logits": "vectors"},
        {"protocol": "paper"},
    ],
)
def test_options_go_through_and_come_back(adata, options, tmp_path):
    model = sgt.models.ScGraPhT(adata, use_rep="X_own", **options).train(**QUICK)
    assert 0 <= model.lam <= 1
    assert len(model.history) <= 12
    model.save(tmp_path / "m")
    shuffled = adata[:, np.random.default_rng(0).permutation(adata.n_vars)].copy()
    back = sgt.models.ScGraPhT.load(tmp_path / "m", shuffled, device="cpu")
    np.testing.assert_allclose(back.predict(soft=True), model.predict(soft=True), atol=1e-4)
    assert back.lam == model.lam


def test_a_known_graph_of_genes_comes_from_varp_and_is_kept(tmp_path):
    adata = cells()
    known = np.zeros((80, 80))
    for c in range(3):
        known[15 * c, 15 * c + 1 : 15 * (c + 1)] = -1.0  # repressions count as well
    adata.varp["prior"] = known
    sgt.models.ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    options = {"use_rep": "X_own", "pathway": "P1", "scheme": "graph", "gene_graph": "prior", "n_genes": 60}
    model = sgt.models.ScGraPhT(adata, **options).train(**QUICK)
    graph = model._fitted.fitted.assembler.graph.gene_graph
    assert graph.nnz == 60 + model._fitted.params["gene_graph_edges"]
    assert model._fitted.params["gene_graph_edges"] > 20
    turned = adata[:, np.random.default_rng(0).permutation(80)].copy()  # still set up: its genes are laid out by name
    again = sgt.models.ScGraPhT(turned, **options).train(**QUICK)
    np.testing.assert_allclose(again.predict(soft=True), model.predict(soft=True), atol=1e-5)
    model.save(tmp_path / "m")
    del turned.varp["prior"]
    back = sgt.models.ScGraPhT.load(tmp_path / "m", turned, device="cpu")
    np.testing.assert_allclose(back.predict(soft=True), model.predict(soft=True), atol=1e-5)
    with pytest.raises(MissingKeyError, match="gene_graph='prior' is not in varp; there is: none"):
        sgt.models.ScGraPhT(turned, **options).train(**QUICK)


def test_the_sides_of_the_fusion_and_their_weight(adata, tmp_path):
    model = sgt.models.ScGraPhT(adata, use_rep="X_own").train(**QUICK)
    parts = model.parts()
    assert list(parts) == ["graph", "experts"]
    assert parts["graph"].index.equals(adata.obs_names)
    for given in (None, adata):
        curve = model.lambda_curve(given)
        assert list(curve["lam"]) == list(np.round(np.linspace(0, 1, 21), 2))
        assert curve["chosen"].sum() == 1
        assert abs(curve.loc[curve["chosen"], "lam"].item() - model.lam) <= 0.025
    known = adata.obs["cell_type"].notna().to_numpy()
    for lam, side in ((0.0, "experts"), (1.0, "graph")):
        right = (parts[side].idxmax(axis=1) == adata.obs["cell_type"])[known].mean()
        assert curve.loc[curve["lam"] == lam, "accuracy"].item() == pytest.approx(right)
    model.save(tmp_path / "m")
    back = sgt.models.ScGraPhT.load(tmp_path / "m", adata, device="cpu")
    with pytest.raises(LabelError, match="No cell is known to have validated"):
        back.lambda_curve()
    pd.testing.assert_frame_equal(back.lambda_curve(adata), curve, atol=1e-5)
    alone = sgt.models.ScGraPhT(adata, use_rep="X_own", scheme="graph").train(**QUICK)
    assert alone.parts() == {}
    with pytest.raises(InputValueError, match="no fusion"):
        alone.lambda_curve()


def test_a_transductive_run_has_the_unlabelled_cells_in_its_graph(adata):
    inductive = sgt.models.ScGraPhT(adata, use_rep="X_own", pathway="P4").train(**QUICK)
    transductive = sgt.models.ScGraPhT(adata, use_rep="X_own", pathway="P4").train(transductive=True, **QUICK)
    n_unlabelled = int(adata.obs["cell_type"].isna().sum())
    assert transductive._fitted.fitted.assembler.graph.cells.shape[0] == adata.n_obs
    assert inductive._fitted.fitted.assembler.graph.cells.shape[0] < adata.n_obs - n_unlabelled


def test_logits_that_no_file_holds_are_given_again(adata, tmp_path):
    def logits(cells):
        return np.log(np.full((len(cells), 3), 1 / 3))

    model = sgt.models.ScGraPhT(adata, use_rep="X_own", logits=logits).train(**QUICK)
    model.save(tmp_path / "m")
    with pytest.raises(InputValueError, match="pass logits="):
        sgt.models.ScGraPhT.load(tmp_path / "m", adata)
    back = sgt.models.ScGraPhT.load(tmp_path / "m", adata, logits=logits, device="cpu")
    np.testing.assert_allclose(back.predict(soft=True), model.predict(soft=True), atol=1e-5)


def test_a_pathway_that_does_not_fit_is_refused_before_any_work(adata):
    with pytest.raises(InputValueError, match="CG gives cells, and CG takes genes"):
        sgt.models.ScGraPhT(adata, use_rep="X_own", pathway="CG-CG")
    with pytest.raises(InputValueError, match="no option 'lambda_'"):
        sgt.models.ScGraPhT(adata, use_rep="X_own", lambda_=0.5)


def test_cells_without_counts_get_an_answer(adata):
    model = sgt.models.ScGraPhT(adata, use_rep="X_own", pathway="P4", sparsify=5).train(**QUICK)
    query = cells(6, seed=3)
    query.X = query.X * 0
    query.obsm["X_own"][:] = 0
    assert np.isfinite(model.predict(query, soft=True)).all(axis=None)


def test_a_joint_model_brings_its_encoder(tmp_path):
    from tests.fm.conftest import GENES, write

    rng, y = np.random.default_rng(0), np.arange(60) % 2
    rate = np.full((60, len(GENES)), 0.5)
    rate[y == 1, :40] = 3.0
    adata = ad.AnnData(rng.poisson(rate).astype(np.float32))
    adata.var_names, adata.obs["group"] = GENES, np.array(["a", "b"])[y]
    network = sgt.fm.load("scgpt", checkpoint=write("scgpt", tmp_path / "scgpt"), device="cpu")
    tuner = sgt.models.FineTuner(network, adata, labels_key="group", adapt="head").train(1)
    sgt.models.ScGraPhT.setup_anndata(adata, labels_key="group")
    options = {"scheme": "joint", "encoder": tuner, "width": 8, "n_genes": 40}
    model = sgt.models.ScGraPhT(adata, **options).train(1, accelerator="cpu")
    model.save(tmp_path / "joint")
    back = sgt.models.ScGraPhT.load(tmp_path / "joint", adata, device="cpu")
    np.testing.assert_allclose(back.predict(soft=True), model.predict(soft=True), atol=1e-4)
