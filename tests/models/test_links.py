import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import GraphError, InputValueError, MissingKeyError, WeightsError
from scgnn_tools._random import torch_random
from scgnn_tools.models import ScRegNet, ScTransNet

TFS = ["SPI1", "STAT1", "IRF7", "CEBPB", "NFKB1"]
OTHER = [
    "CD14",
    "LYZ",
    "CD3D",
    "CD3E",
    "MS4A1",
    "CD79A",
    "NKG7",
    "GNLY",
    "FCGR3A",
    "S100A8",
    "S100A9",
    "CST3",
    "IL7R",
    "CCR7",
    "GZMB",
]


@pytest.fixture
def adata() -> ad.AnnData:
    rng = np.random.default_rng(0)
    names = [*TFS, *OTHER]
    counts = rng.poisson(2, size=(30, len(names))).astype(np.float32)
    out = ad.AnnData(sp.csr_matrix(counts), var=pd.DataFrame(index=names))
    out.varm["own"] = rng.normal(size=(len(names), 6)).astype(np.float32)
    return out


@pytest.fixture
def prior() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame([(t, g) for t in TFS for g in OTHER if rng.random() < 0.4], columns=["source", "target"])


@pytest.fixture(params=[ScRegNet, ScTransNet])
def cls(request):
    return request.param


@pytest.fixture
def model(cls, adata, prior):
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    return cls(adata, tfs=TFS, hidden=(8, 8), out=(8, 4)).train(max_epochs=3)


@pytest.mark.parametrize(
    ("pooling", "match"),
    [("x", "pooling is 'attention', .*got 'x'"), ("mean", "no network gives them.*leave pooling out")],
)
def test_pooling_is_of_hidden_states(cls, adata, prior, pooling, match):
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    with pytest.raises(InputValueError, match=match):
        cls(adata, tfs=TFS, pooling=pooling)


def test_an_object_without_a_factor_has_no_edges(model, adata, tmp_path):
    model.save(tmp_path / "m")
    table = type(model).load(tmp_path / "m", adata[:, OTHER].copy()).predict()
    assert list(table.columns) == list(model.predict().columns)
    assert table.empty


def test_train_predict_represent(model, adata, prior):
    assert list(model.history) == ["loss", "validation"]
    best = model.predict(n_top=4)
    assert (best.groupby("source").size() == 4).all()
    assert set(best["source"]) == set(TFS)
    assert best["score"].is_monotonic_decreasing
    assert best["score"].between(0, 1).all()
    assert not (best["source"] == best["target"]).any()
    every = model.predict(n_top=None)
    assert len(every) == len(TFS) * (adata.n_vars - 1)
    asked = model.predict(prior.head(6))
    assert asked[["source", "target"]].equals(prior.head(6))
    both = asked.merge(every, on=["source", "target"])
    np.testing.assert_allclose(both["score_x"], both["score_y"], atol=1e-6)
    assert np.isnan(model.predict(pd.DataFrame({"source": ["SPI1"], "target": ["no gene"]}))["score"].iloc[0])
    z = model.get_latent_representation()
    assert z.dtype == np.float32
    assert z.shape == (adata.n_vars, 4 if model.method == "scregnet" else 8)
    assert np.isfinite(z).all()


def test_live_dropout_is_drawn_from_the_seed(adata, prior):
    ScRegNet.setup_anndata(adata, prior=prior, use_rep="own")
    model = ScRegNet(adata, tfs=TFS, protocol="paper").train(max_epochs=2)
    with torch_random(0):
        first = model.get_latent_representation()
    with torch_random(1):
        np.testing.assert_array_equal(model.get_latent_representation(), first)


def test_save_and_load(model, adata, prior, tmp_path):
    model.save(tmp_path / "m")
    with pytest.raises(InputValueError, match=r"is there already\. Pass another folder, or overwrite=True"):
        model.save(tmp_path / "m")
    model.save(tmp_path / "m", overwrite=True)
    other = type(model).load(tmp_path / "m", adata[:, ::-1].copy())
    pd.testing.assert_frame_equal(other.predict(prior), model.predict(prior))
    np.testing.assert_array_equal(other.get_latent_representation()[::-1], model.get_latent_representation())
    pd.testing.assert_frame_equal(other.history, model.history, check_dtype=False)
    alone = type(model).load(tmp_path / "m")
    pd.testing.assert_frame_equal(alone.predict(n_top=2), model.predict(n_top=2))
    with pytest.raises(InputValueError, match="was loaded: it predicts and does not train on"):
        alone.train()
    wrong = ScTransNet if type(model) is ScRegNet else ScRegNet
    with pytest.raises(WeightsError):
        wrong.load(tmp_path / "m")
    with pytest.raises(InputValueError, match="None of the 3 genes of the object"):
        type(model).load(
            tmp_path / "m", ad.AnnData(np.ones((2, 3), dtype=np.float32), var=pd.DataFrame(index=["a", "b", "c"]))
        )
    file = tmp_path / "m" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(WeightsError, match="damaged"):
        type(model).load(tmp_path / "m")


def test_a_killed_training_goes_on(cls, adata, prior, tmp_path):
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    how = {"tfs": TFS, "hidden": (8, 8), "out": (8, 4)}
    whole = cls(adata, **how).train(max_epochs=30, patience=100)
    cls(adata, **how).train(max_epochs=20, patience=100, folder=tmp_path)
    rest = cls(adata, **how).train(max_epochs=30, patience=100, folder=tmp_path)
    assert len(rest.history) == 30
    pd.testing.assert_frame_equal(rest.predict(), whole.predict())


def test_ctrl_c_leaves_a_model(cls, adata, prior, monkeypatch):
    from scgnn_tools.links import _graph_training

    loss, calls = _graph_training.loss, []

    def interrupted(network, inputs, part):
        calls.append(1)
        if len(calls) > 9:
            raise KeyboardInterrupt
        return loss(network, inputs, part)

    monkeypatch.setattr(_graph_training, "loss", interrupted)
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    m = cls(adata, tfs=TFS, hidden=(8, 8), out=(8, 4))
    with pytest.raises(KeyboardInterrupt):
        m.train(max_epochs=50)
    assert 4 <= len(m.history) <= 9  # a validation by rank takes no loss
    assert np.isfinite(m.predict()["score"]).all()


def test_only_the_setup_is_written(cls, adata, prior):
    before = adata.copy()
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    assert list(adata.uns) == ["sgt"]
    assert list(adata.uns["sgt"]) == [f"setup_{cls.method}"]
    cls(adata, tfs=TFS, hidden=(8,), out=(4,)).train(max_epochs=1).predict()
    assert (adata.X != before.X).nnz == 0
    assert list(adata.varm) == ["own"]
    assert not adata.obsm
    assert not adata.varp


def test_a_prior_in_varp_and_vectors_of_the_bundled_model(adata, prior):
    at = {n: i for i, n in enumerate(adata.var_names)}
    i, j = prior["source"].map(at), prior["target"].map(at)
    adata.varp["known"] = sp.csr_matrix((np.ones(len(prior)), (i, j)), shape=(adata.n_vars,) * 2)
    ScRegNet.setup_anndata(adata, prior="known")
    m = ScRegNet(adata, tfs=TFS).train(max_epochs=2)
    assert m.params["prior"] == "varp['known']"
    assert m.params["vectors"] == sgt.fm.best_bundled()
    assert "trained" not in repr(m)


def test_the_vectors_of_a_network_are_pooled(adata, prior, tmp_path):
    from benchmarks import checkpoints

    checkpoints.scgpt(tmp_path, list(adata.var_names), n_layers=2, dim=16, n_heads=2)
    network = sgt.fm.load("scgpt", checkpoint=tmp_path, device="cpu")
    told = {}
    for cls, pooling in ((ScRegNet, None), (ScTransNet, None), (ScTransNet, "mean"), (ScRegNet, "table")):
        cls.setup_anndata(adata, prior=prior)
        m = cls(adata, model=network, pooling=pooling, tfs=TFS, hidden=(8,), out=(4,)).train(max_epochs=2)
        told[cls, pooling] = m.params["vectors"]
        assert np.isfinite(m.predict()["score"]).all()
    assert told == {
        (ScRegNet, None): "scgpt, mean over the cells", (ScTransNet, None): "scgpt, attention over the cells",
        (ScTransNet, "mean"): "scgpt, mean over the cells", (ScRegNet, "table"): "scgpt",
    }  # fmt: skip
    ScRegNet.setup_anndata(adata, prior=prior, use_rep="own")
    with pytest.raises(InputValueError, match="leave out model="):
        ScRegNet(adata, model=network)


def test_the_paper_protocol_stops_on_pairs_of_its_own(adata, prior):
    ScRegNet.setup_anndata(adata, prior=prior, use_rep="own")
    m = ScRegNet(adata, tfs=TFS, protocol="paper", hidden=(8,), out=(8, 4)).train(max_epochs=5)
    assert m.history["validation"].notna().sum() == 1
    a = m.predict()
    pd.testing.assert_frame_equal(a, m.predict())  # dropout is live and follows the seed


def test_bad_input(cls, adata, prior):
    with pytest.raises(MissingKeyError, match=f"Call sgt.models.{cls.__name__}.setup_anndata"):
        cls(adata)
    with pytest.raises(MissingKeyError, match="use_rep='pca' is not in varm; there is: own"):
        cls.setup_anndata(adata, use_rep="pca")
    with pytest.raises(MissingKeyError, match="neither a file, nor bundled, nor in varp"):
        cls.setup_anndata(adata, prior="nowhere")
    with pytest.raises(GraphError, match="target is missing, there is: source"):
        cls.setup_anndata(adata, prior=prior[["source"]])
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    with pytest.raises(InputValueError, match="has no option 'hiden'"):
        cls(adata, hiden=3)
    with pytest.raises(GraphError, match="No transcription factor is among"):
        cls(adata, tfs=["none"])
    m = cls(adata, tfs=TFS)
    for call in (m.predict, m.get_latent_representation, lambda: m.save("x")):
        with pytest.raises(InputValueError, match=r"is not trained\. Call train\(\) first"):
            call()
    m.train(max_epochs=1)
    with pytest.raises(InputValueError, match="missing: target"):
        m.predict(prior[["source"]])
    for wrong in (0, -1, 2.5, "a"):
        with pytest.raises(InputValueError, match="n_top is a positive integer or None"):
            m.predict(n_top=wrong)
    with pytest.raises(InputValueError, match="organism is 'human' or 'mouse'; got 'fly'"):
        cls.setup_anndata(adata, prior=prior, organism="fly")


def test_a_setup_survives_a_file(cls, adata, prior, tmp_path):
    cls.setup_anndata(adata, prior=prior, use_rep="own")
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    a, b = (cls(x, tfs=TFS, hidden=(8,), out=(4,)).train(max_epochs=2).predict() for x in (adata, again))
    pd.testing.assert_frame_equal(a, b)


def test_tuned_options_are_those_of_the_next_training(adata, prior):
    ScRegNet.setup_anndata(adata, prior=prior, use_rep="own")
    m = ScRegNet(adata, tfs=TFS, hidden=(8,))
    trials = m.tune(2, max_epochs=2)
    assert len(trials) == 2
    assert trials["epochs"].max() <= 2
    m.train(3)
    assert m.predictor._shape.out == trials["out"][0]
    assert m.predictor._shape.hidden == (8,)
    assert len(m.history) == 3
