import numpy as np
import pandas as pd
import pytest
from tests.models.test_cell_labels import cells

import scgnn_tools as sgt

OPTIONS = {"epochs_genes": 6, "n_tokens": 60, "iterations": 1}


@pytest.fixture(scope="module")
def trained():
    adata = cells()
    sgt.models.ScBiGNN.setup_anndata(adata, labels_key="cell_type")
    return sgt.models.ScBiGNN(adata, use_rep="X_own", **OPTIONS).train(max_epochs=30, accelerator="cpu")


def test_it_learns_from_the_unlabelled_cells_too(trained):
    adata = trained.adata
    rest = adata.obs["cell_type"].isna().to_numpy()
    assert (trained.predict() == adata.obs["truth"])[rest].mean() > 0.8
    assert len(trained._fitted.rounds[0].h) == adata.n_obs
    assert set(trained.history["step"]) == {"q0", "p0", "q1", "p1"}
    assert trained.get_latent_representation().shape == (adata.n_obs, 160)


def test_save_and_load_with_genes_in_another_order(trained, tmp_path):
    trained.save(tmp_path / "m")
    shuffled = trained.adata[:, np.random.default_rng(0).permutation(trained.adata.n_vars)].copy()
    back = sgt.models.ScBiGNN.load(tmp_path / "m", shuffled, device="cpu")
    pd.testing.assert_frame_equal(back.predict(soft=True), trained.predict(soft=True), atol=1e-5)
    new = cells(20, seed=4)
    np.testing.assert_allclose(back.predict(new, soft=True), trained.predict(new, soft=True), atol=1e-5)
    one = back.predict(new[:1].copy(), soft=True)
    np.testing.assert_allclose(one, back.predict(new, soft=True).iloc[:1], atol=1e-5)


def test_ctrl_c_keeps_what_is_there(monkeypatch):
    from scgnn_tools.labels.scbignn import em

    adata = cells()
    sgt.models.ScBiGNN.setup_anndata(adata, labels_key="cell_type")
    model = sgt.models.ScBiGNN(adata, use_rep="X_own", **OPTIONS)
    loss, calls = em.m_loss, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return loss(*args, **kwargs)

    monkeypatch.setattr(em, "m_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.train(max_epochs=30, accelerator="cpu")
    assert list(dict.fromkeys(model.history["step"])) == ["q0", "p0"]
    assert len(model.predict()) == adata.n_obs


def test_gene_importance_is_by_group_and_of_the_tokens(trained):
    table = trained.gene_importance()
    assert list(table.columns) == ["B", "NK", "T"]
    assert len(table) == 60
    assert (table.sum(axis=1).diff().dropna() <= 0).all()
