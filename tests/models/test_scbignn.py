import numpy as np
import pandas as pd
import pytest
from tests.models.test_cell_labels import cells

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError

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


def test_a_group_for_each_cell_is_wanted(trained):
    for wrong in (["a", "b"], "cell_type", [["a"]]):
        with pytest.raises(InputValueError, match=r"a group for each of the .* cells is wanted"):
            trained.gene_importance(groups=wrong)


def test_parts_and_rounds_are_those_of_the_two_networks(trained, tmp_path):
    parts = trained.parts()
    assert list(parts) == ["q", "p"]
    for part in parts.values():
        assert list(part.columns) == list(trained.classes)
        np.testing.assert_allclose(part.sum(axis=1), 1, atol=1e-4)
    rounds = trained.rounds
    assert len(rounds) == 2
    steps = trained.history.groupby("step")["homophily"].last()
    np.testing.assert_allclose(rounds["homophily"], steps[["p0", "p1"]])
    assert rounds[["accuracy_q", "accuracy_p", "homophily_raw"]].to_numpy().max() <= 1
    assert rounds["homophily_raw"].nunique() == 1
    trained.save(tmp_path / "m")
    pd.testing.assert_frame_equal(sgt.models.ScBiGNN.load(tmp_path / "m", device="cpu").rounds, rounds)


def test_the_graph_of_genes_is_the_attention_and_knows_how_stable_it_is(trained):
    graph = trained.gene_graph()
    assert (graph["source"] != graph["target"]).all()
    assert (graph["attention"].diff().dropna() <= 0).all()
    assert set(graph["source"]) <= set(trained.gene_importance().index)
    with_itself = trained.gene_graph(others=[trained])
    share = with_itself["stability"]
    assert set(share) == {0.0, 1.0}  # the same seed finds the same pairs
    assert 0.04 < share.mean() < 0.06


def test_cells_without_a_group_have_no_importance(trained):
    groups = trained.predict().astype(object)
    groups[:3] = [None, np.nan, " "]
    some = trained.gene_importance(groups=groups)
    assert set(some.columns) <= {"B", "NK", "T"}
    kept = trained.gene_importance(trained.adata[3:].copy(), groups=groups[3:])
    pd.testing.assert_frame_equal(some, kept, atol=1e-5)
    pd.testing.assert_frame_equal(some, trained.gene_importance(groups=pd.Series(groups).astype("category")))
    with pytest.raises(InputValueError, match="groups names no group"):
        trained.gene_importance(groups=np.full(len(groups), np.nan))
