"""The contract of models that label cells: set up, train, predict, save, load."""

import json
import subprocess
import sys
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import (
    GeneMatchError,
    InputScaleError,
    InputTypeError,
    InputValueError,
    LabelError,
    MissingKeyError,
    SgtWarning,
    WeightsError,
)
from scgnn_tools.fm import saves
from scgnn_tools.models._label_training import asked, split

SETUP_WRITES = {"obs['_sgt_labels']", "obs['_scvi_labels']", "uns['_scvi_uuid']", "uns['_scvi_manager_uuid']"}


def cells(n=160, n_genes=80, *, seed=0):
    """Counts of three classes, vectors that see part of them, labels of all but every fifth cell."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    rate = np.full((n, n_genes), 0.4)
    for c in range(3):
        rate[y == c, 15 * c : 15 * (c + 1)] = 3.0
    x = rng.poisson(rate).astype(np.float32)
    names = np.array(["B", "NK", "T"])[y].astype(object)
    labels = names.copy()
    labels[::5] = np.nan
    obs = pd.DataFrame(
        {"truth": names, "cell_type": labels, "donor": np.where(np.arange(n) % 2, "d1", "d2")},
        index=[f"cell{i}" for i in range(n)],
    )
    out = ad.AnnData(sp.csr_matrix(x), obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]))
    basis = np.random.default_rng(9).normal(size=(n_genes, 8))
    out.obsm["X_own"] = (np.log1p(x) @ basis).astype(np.float32)
    return out


@pytest.fixture(params=["ScGraPhT", "ScBiGNN"], scope="module")
def cls(request):
    return getattr(sgt.models, request.param)


@pytest.fixture(scope="module")
def trained(cls):
    adata = cells()
    cls.setup_anndata(adata, labels_key="cell_type")
    return cls(adata, use_rep="X_own").train(max_epochs=25, accelerator="cpu")


def epochs(model):
    """Epochs of each step of the training, in the order of the steps."""
    if "step" not in model.history:
        return pd.Series([len(model.history)])
    return model.history.groupby("step", sort=False).size()


def test_it_learns_and_says_so(trained):
    adata = trained.adata
    assert (trained.predict() == adata.obs["truth"]).mean() > 0.9
    soft = trained.predict(soft=True)
    assert list(soft.columns) == ["B", "NK", "T"]
    assert soft.index.equals(adata.obs_names)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-5)
    assert len(trained.get_latent_representation()) == adata.n_obs
    assert epochs(trained).max() <= 25
    assert "3 classes" in repr(trained)


def test_setup_writes_what_it_says_and_nothing_else(cls):
    adata = cells()
    before = adata.copy()
    cls.setup_anndata(adata, labels_key="cell_type")
    assert changed(before, adata) == SETUP_WRITES
    assert list(adata.obs["_sgt_labels"].cat.categories) == ["B", "NK", "T", "Unknown"]
    again = adata.copy()
    model = cls(adata, use_rep="X_own")
    model.train(max_epochs=2, accelerator="cpu")
    model.predict()
    assert changed(again, adata) == set()


def test_what_changed_in_the_object_since_is_what_is_read(cls):
    adata = cells(60)
    cls.setup_anndata(adata, labels_key="cell_type")
    model = cls(adata, use_rep="X_own").train(max_epochs=1)
    other = cells(60, seed=1)
    adata.X, adata.obsm["X_own"] = other.X, other.obsm["X_own"]
    pd.testing.assert_frame_equal(model.predict(soft=True), model.predict(other, soft=True))
    adata.obs["cell_type"] = adata.obs["cell_type"].replace({"B": "T", "T": "B"})
    new = cls(adata.copy(), use_rep="X_own").train(max_epochs=1).predict(soft=True)
    pd.testing.assert_frame_equal(model.train(max_epochs=1).predict(soft=True), new)
    adata._inplace_subset_obs(np.arange(20))
    assert list(model.predict(soft=True).index) == list(adata.obs_names)
    adata.obs["cell_type"] = adata.obs["cell_type"].replace({"NK": "natural killer"})
    before = model.predict()
    with pytest.raises(LabelError, match=r"holds natural killer now, in \d cells.*setup_anndata"):
        model.train(max_epochs=1)
    np.testing.assert_array_equal(model.predict(), before)


def test_the_training_cells_go_through_a_foundation_model_once(monkeypatch, tmp_path):
    adata = cells(60)
    adata.var_names = sgt.fm.load("cgc-mini").vocabulary[: adata.n_vars]
    sgt.models.ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    model = sgt.models.ScGraPhT(adata).train(max_epochs=1)
    first = model.predict(soft=True)
    model.save(tmp_path / "m")
    loaded = sgt.models.ScGraPhT.load(tmp_path / "m", adata)
    monkeypatch.setattr(type(model._reader.foundation()), "embed_expression", None)
    pd.testing.assert_frame_equal(model.predict(soft=True), first)
    pd.testing.assert_frame_equal(loaded.predict(soft=True), first)


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_names_of_genes_that_are_there_twice_are_told(cls):
    adata = cells(60)
    adata.var_names = [*adata.var_names[:-1], "G0"]
    cls.setup_anndata(adata, labels_key="cell_type")
    model = cls(adata, use_rep="X_own").train(max_epochs=1)
    with pytest.warns(SgtWarning, match=r"var_names hold G0 more than once.*make_unique"):
        model.predict(adata[:, ::-1].copy())


def test_batches_are_registered_and_each_validates(cls):
    adata = cells()
    cls.setup_anndata(adata, labels_key="cell_type", batch_key="donor")
    assert "_scvi_batch" in adata.obs
    model = cls(adata, use_rep="X_own")
    _, codes, batch = model._reader.read(adata)
    _, validation = split(np.flatnonzero(codes < 3), codes, batch, model.classes, train_size=0.8, seed=0)
    assert set(zip(codes[validation], batch[validation], strict=True)) == {(c, b) for c in range(3) for b in range(2)}


def test_genes_in_another_order_and_cells_that_are_new(trained):
    query = cells(30, seed=5)
    del query.obs["cell_type"]
    before = query.copy()
    expected = trained.predict(query, soft=True)
    assert (trained.predict(query) == query.obs["truth"]).mean() > 0.9
    shuffled = query[:, np.random.default_rng(0).permutation(query.n_vars)].copy()
    np.testing.assert_allclose(trained.predict(shuffled, soft=True), expected, atol=1e-5)
    np.testing.assert_allclose(trained.predict(query[7:8], soft=True), expected[7:8], atol=1e-5)
    assert changed(before, query) == set()


def test_missing_genes_are_told_of_or_refused(trained):
    query = cells(10, seed=5)
    with pytest.warns(SgtWarning, match=r"50 of the 80 registered genes are here \(62 %\)"):
        trained.predict(query[:, :50].copy())
    with pytest.raises(GeneMatchError, match="15 of the 80 registered genes"):
        trained.predict(query[:, :15].copy())


def test_labels_of_a_query_from_another_vocabulary_change_nothing(trained):
    query = cells(20, seed=5)
    expected = trained.predict(query)
    query.obs["cell_type"] = "from another world"
    assert (trained.predict(query) == expected).all()


def test_save_and_load_on_genes_in_another_order(trained, tmp_path):
    trained.save(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]
    shuffled = trained.adata[:, np.random.default_rng(0).permutation(trained.adata.n_vars)].copy()
    back = type(trained).load(tmp_path / "m", shuffled, device="cpu")
    np.testing.assert_allclose(back.predict(soft=True), trained.predict(soft=True), atol=1e-5)
    pd.testing.assert_frame_equal(back.history, trained.history)
    with pytest.raises(InputValueError, match=r"is there already.*overwrite=True"):
        trained.save(tmp_path / "m")
    trained.save(tmp_path / "m", overwrite=True)
    config = json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8"))
    saves.seal(tmp_path / "m", {**config, "class": "Other"})
    with pytest.raises(WeightsError, match="holds a Other"):
        type(trained).load(tmp_path / "m")


def test_a_damaged_save_is_refused(trained, tmp_path):
    trained.save(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        type(trained).load(tmp_path / "m", trained.adata)


@pytest.mark.parametrize("change", [{"classes": []}, {"temperature": "warm"}, {"setup": {}}, {"method": None}])
def test_a_save_that_was_edited_and_sealed_again_is_refused(trained, tmp_path, change):
    trained.save(tmp_path / "m")
    saves.seal(tmp_path / "m", {**json.loads((tmp_path / "m" / "config.json").read_text(encoding="utf-8")), **change})
    with pytest.raises(WeightsError, match="that fits together"):
        type(trained).load(tmp_path / "m")


def test_a_mudata_is_no_anndata_to_a_model_that_was_set_up_on_one(cls, trained):
    import mudata

    with pytest.raises(
        InputTypeError, match=r"adata is an AnnData; got MuData\. Pass the modality .*mdata\.mod\['rna'\]"
    ):
        trained.predict(mudata.MuData({"rna": cells()}))


def test_what_leaves_nothing_to_train_on_is_named(cls):
    adata = cells(60)
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(InputValueError, match=r"train_size=0\.02 leaves no cell that trains of B, NK, T\."):
        cls(adata, use_rep="X_own").train(train_size=0.02)
    del adata.obs["cell_type"]
    with pytest.raises(MissingKeyError, match="labels_key='cell_type' is no column of obs"):
        cls(adata, use_rep="X_own").train()


def test_mudata_goes_in_as_it_is(cls):
    import mudata

    rna = cells()
    labels, rna.obs = rna.obs["cell_type"], rna.obs[["truth"]]
    protein = ad.AnnData(np.ones((160, 3), dtype=np.float32), obs=pd.DataFrame(index=rna.obs_names))
    mdata = mudata.MuData({"gex": rna, "protein": protein})
    mdata.obs["cell_type"] = labels
    with pytest.raises(MissingKeyError, match="no modality; there is: gex, protein"):
        cls.setup_mudata(mdata, modalities={"rna": "rna"}, labels_key="cell_type")
    cls.setup_mudata(mdata, modalities={"rna": "gex"}, labels_key="cell_type")
    model = cls(mdata, use_rep="X_own").train(max_epochs=25, accelerator="cpu")
    assert (model.predict() == rna.obs["truth"]).mean() > 0.9
    assert (model.predict(mdata) == model.predict(rna)).all()


def test_a_class_with_one_cell_trains(cls):
    adata = cells()
    adata.obs.loc["cell1", "cell_type"] = "rare"
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.warns(SgtWarning, match="single labelled cell.*: rare"):
        model = cls(adata, use_rep="X_own").train(max_epochs=3, accelerator="cpu")
    assert "rare" in model.predict(soft=True)


def test_ctrl_c_keeps_the_best_weights_and_is_raised(cls, monkeypatch, tmp_path):
    import torch

    adata = cells()
    cls.setup_anndata(adata, labels_key="cell_type")
    model = cls(adata, use_rep="X_own")
    step, calls = torch.optim.Adam.step, []

    def stop(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        model.train(accelerator="cpu")
    assert 0 < epochs(model).iloc[0] < 12
    assert len(model.predict()) == adata.n_obs
    model.save(tmp_path / "m")


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"labels_key": "leiden"}, MissingKeyError, "labels_key='leiden' is no column of obs; the columns are: truth"),
        ({"labels_key": "cell_type", "layer": "raw_counts"}, MissingKeyError, "raw_counts"),
        ({"labels_key": "cell_type", "batch_key": "cell_type"}, InputValueError, "is missing for 32 cells"),
    ],
)
def test_a_wrong_setup_changes_nothing(cls, kwargs, error, says):
    adata = cells()
    before = adata.copy()
    with pytest.raises(error, match=says):
        cls.setup_anndata(adata, **kwargs)
    assert changed(before, adata) == set()


def test_what_else_can_be_wrong(cls, pbmc68k):
    adata = cells()
    with pytest.raises(InputValueError, match=r"a view.*adata.copy\(\)"):
        cls.setup_anndata(adata[:50], labels_key="cell_type")
    with pytest.raises(MissingKeyError, match="setup_anndata"):
        cls(adata)
    with pytest.raises(InputScaleError, match="to_adata"):
        cls.setup_anndata(pbmc68k, labels_key="bulk_labels")
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(InputValueError, match="no option 'depth'"):
        cls(adata, depth=3)
    with pytest.raises(InputValueError, match="is not trained"):
        cls(adata).predict()
    with pytest.raises(MissingKeyError, match="there is: X_own"):
        cls(adata, use_rep="X_scVI").train()
    with pytest.raises(InputValueError, match="trains on one device: devices is 'auto', 1"):
        cls(adata, use_rep="X_own").train(devices=2)
    adata.obs["cell_type"] = "B"
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(LabelError, match="at least two labelled classes; obs\\['cell_type'\\] holds B"):
        cls(adata, use_rep="X_own").train()
    adata.obs["cell_type"] = "unknown"
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(LabelError, match="holds no class"):
        cls(adata, use_rep="X_own").train()


KILLED = """
import os, sys, torch
import scgnn_tools as sgt
from tests.models.test_cell_labels import cells
sgt.settings.progress = False
cls = getattr(sgt.models, sys.argv[1])
adata = cells()
cls.setup_anndata(adata, labels_key="cell_type")
step, calls = torch.optim.Adam.step, []
def kill(self, *a, **k):
    calls.append(1)
    if len(calls) == 14:
        os.kill(os.getpid(), 9)
    return step(self, *a, **k)
torch.optim.Adam.step = kill
cls(adata, use_rep="X_own").train(max_epochs=20, early_stopping=False, accelerator="cpu", folder=sys.argv[2])
"""


@pytest.mark.slow
def test_killed_and_resumed_is_as_undisturbed(cls, tmp_path):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, cls.__name__, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert (tmp_path / "plan.json").is_file()
    adata = cells()
    cls.setup_anndata(adata, labels_key="cell_type")
    how = {"max_epochs": 20, "early_stopping": False, "accelerator": "cpu"}
    resumed = cls(adata, use_rep="X_own").train(folder=tmp_path, **how)
    undisturbed = cls(adata, use_rep="X_own").train(**how)
    assert epochs(resumed).max() == 20
    pd.testing.assert_frame_equal(resumed.history, undisturbed.history, check_exact=True)
    np.testing.assert_array_equal(resumed.predict(soft=True), undisturbed.predict(soft=True))
    with pytest.raises(InputValueError, match=r"holds another run, which differs in .*labels.* Pass another folder="):
        cls(adata, use_rep="X_own", rng=1).train(folder=tmp_path, **how)
    with pytest.warns(FutureWarning, match=r"ckpt_path= goes in the next release; pass resume=False"):
        cls(adata, use_rep="X_own", rng=1).train(folder=tmp_path, ckpt_path=None, **{**how, "max_epochs": 1})


@pytest.mark.parametrize(
    ("given", "patience"), [({}, None), ({"patience": 4}, 4), ({"patience": 4, "early_stopping": False}, None)]
)
@pytest.mark.parametrize("train_size", [None, 0.5])
def test_what_is_given_to_train_holds_beside_a_protocol(monkeypatch, given, patience, train_size):
    import scgnn_tools.models._cell_labels as base

    read = SimpleNamespace(setup=None, read=lambda *_, **__: (None, np.repeat([0, 1], 50), np.zeros(100)))
    monkeypatch.setattr(base._scvi, "check_labels", lambda *_: None)

    class Seen(Exception):  # noqa: N818 - what was asked for, and not what went wrong
        pass

    def stop(*_, train_size, **__):
        raise Seen(train_size)

    monkeypatch.setattr(base, "split", stop)
    model = sgt.models.ScGraPhT.__new__(sgt.models.ScGraPhT)
    model._options, model._known, model._seed = {"protocol": "paper"}, np.array(["a", "b"], dtype=object), 0
    model._reader, model.adata = read, object()
    with pytest.raises(Seen) as seen:
        model.train(train_size=train_size, **given)
    assert seen.value.args[0] == (train_size or 0.9)
    given = {"max_epochs": None, "batch_size": None, "early_stopping": True, "patience": None, **given}
    options = asked(model._options, **given)
    assert base.label_method("scgrapht", **options).options.patience == patience
