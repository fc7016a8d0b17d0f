import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from tests.fm.conftest import NAMES, _cells, cells, folders, models  # noqa: F401

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError, LabelError, MissingKeyError, WeightsError
from scgnn_tools.models import FineTuner
from scgnn_tools.nn.lora import LoRALinear
from scgnn_tools.train.fitting import CellFeed
from scgnn_tools.train.trainer import LAST, read_state

TASKS = ["classification", "expression", "masked"]
TRAINED = [pytest.param(n, marks=[pytest.mark.slow] if n in {"scbert", "scfoundation"} else []) for n in NAMES]
"""Those with a Performer have all genes as tokens: training them takes most of the time."""


@pytest.fixture
def labelled(cells):  # noqa: F811
    """100 cells of two classes that differ in a third of their genes each."""
    rng = np.random.default_rng(0)
    cells = ad.concat([cells, cells, cells[:20]], index_unique="-")
    cells.X.data = rng.binomial(cells.X.data.astype(int), 0.8).astype(np.float32)
    group = cells.obs["group"].to_numpy() == "a"
    x = cells.X.toarray()
    x[np.ix_(group, np.arange(60))] += rng.poisson(6.0, (group.sum(), 60))
    x[np.ix_(~group, np.arange(60, 120))] += rng.poisson(6.0, ((~group).sum(), 60))
    cells.X = x.astype(np.float32)
    return cells


def asked(task):
    return {"task": task} | ({"labels_key": "group"} if task == "classification" else {})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", TASKS)
def test_every_adapter_of_every_model_and_task_gets_a_gradient(models, labelled, name, task):  # noqa: F811
    labelled = labelled[::4].copy()
    tuner = FineTuner(models[name], labelled, **asked(task), rank=2)
    adapters = {n: m for n, m in tuner.model.network.named_modules() if isinstance(m, LoRALinear)}
    assert adapters
    for m in adapters.values():
        torch.nn.init.normal_(m.b, std=0.1)
    tuner.model.network.eval()
    loss = tuner.task.loss(tuner.model, tuner.tokens, np.arange(labelled.n_obs), np.random.default_rng(0))
    loss.backward()
    for at, m in adapters.items():
        assert m.a.grad is not None, at
        assert (m.a.grad.abs().sum(dim=(1, 2)) > 0).all(), f"{at}.a"
        assert (m.b.grad.abs().sum(dim=(1, 2)) > 0).all(), f"{at}.b"
    trained = [n for n, p in tuner.model.network.named_parameters() if p.requires_grad]
    assert all(n.endswith((".a", ".b")) for n in trained)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("adapt", ["lora", pytest.param("full", marks=pytest.mark.slow), "head"])
def test_classes_are_learnt_and_the_model_that_was_passed_stays(models, labelled, name, adapt):  # noqa: F811
    before = models[name].embed_cells(labelled)
    tuner = FineTuner(models[name], labelled, labels_key="group", adapt=adapt)
    # a Performer's random features do not bear large steps: at 3e-3 some seeds of scBERT's adapters learn nothing
    careful = adapt == "full" or (adapt, name) == ("lora", "scbert")
    tuner.train(8, patience=8, lr=5e-4 if careful else 3e-3, max_tokens=2000)
    assert list(tuner.history.columns) == ["loss", "validation"]
    assert tuner.history["loss"].iloc[-1] < tuner.history["loss"].iloc[0]
    got = tuner.predict(labelled)
    assert list(got.columns) == ["a", "b"]
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-5)
    assert (got.idxmax(axis=1) == labelled.obs["group"].astype(str)).mean() > 0.9
    np.testing.assert_array_equal(models[name].embed_cells(labelled), before)
    after = tuner.model.embed_cells(labelled)
    assert (np.abs(after - before).max() == 0) == (adapt == "head")


@pytest.mark.parametrize("name", TRAINED)
def test_expression_is_predicted_better_than_before_training(models, labelled, name):  # noqa: F811
    tuner = FineTuner(models[name], labelled, task="expression", rng=1)
    tuner.train(4, patience=4, lr=3e-3, warmup=0, max_tokens=800)
    assert tuner.history["loss"].iloc[-1] < tuner.history["loss"].iloc[0]
    assert tuner.history["validation"].min() < tuner.history["validation"].iloc[0]
    got = tuner.predict(labelled)
    assert got.shape == (labelled.n_obs, len(tuner.model.vocabulary))
    assert got.nnz == tuner.model.is_gene(tuner.tokens).sum()


@pytest.mark.parametrize("name", TRAINED)
def test_pretraining_goes_on_and_the_result_is_saved_as_any_model(models, labelled, tmp_path, name):  # noqa: F811
    tuner = FineTuner(models[name], labelled, task="masked", adapt="full")
    tuner.train(3, patience=3, warmup=0, lr=1e-3, max_tokens=800)
    assert tuner.history["loss"].iloc[-1] < tuner.history["loss"].iloc[0]
    tuner.model.save(tmp_path)
    again = sgt.fm.load(name, checkpoint=tmp_path, device="cpu")
    np.testing.assert_array_equal(
        again.embed_genes(labelled, context=True), tuner.model.embed_genes(labelled, context=True)
    )
    with pytest.raises(InputValueError, match="Nothing to predict"):
        tuner.predict(labelled)


@pytest.mark.parametrize("task", TASKS)
def test_a_resumed_run_is_the_run_that_was_not_stopped(models, labelled, tmp_path, task):  # noqa: F811
    def tuner() -> FineTuner:
        return FineTuner(models["scgpt"], labelled, **asked(task), rng=3)

    state = torch.random.get_rng_state()
    whole = tuner().train(3, patience=9)
    tuner().train(1, patience=9, folder=tmp_path)
    resumed = tuner().train(3, patience=9, folder=tmp_path)
    pd.testing.assert_frame_equal(resumed.history, whole.history)
    for a, b in zip(
        resumed.model.network.state_dict().values(), whole.model.network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's random numbers were touched


def test_another_run_s_folder_is_refused(models, labelled, tmp_path):  # noqa: F811
    FineTuner(models["scgpt"], labelled, labels_key="group").train(1, folder=tmp_path)
    with pytest.raises(InputValueError, match=r"differs in .*rank \(8 there, 4 here\)"):
        FineTuner(models["scgpt"], labelled, labels_key="group", rank=4).train(1, folder=tmp_path)
    for more, says in (
        ({"batch_size": 4}, "batch_size (None there, 4 here)."),
        ({"early_stopping": False}, "early_stopping (True there, False here)."),
        ({"patience": 4}, "patience (3 there, 4 here)."),
    ):
        with pytest.raises(InputValueError, match=re.escape(f"holds another run, which differs in {says}")):
            FineTuner(models["scgpt"], labelled, labels_key="group").train(1, folder=tmp_path, **more)
    FineTuner(models["scgpt"], labelled, labels_key="group", rank=4).train(1, folder=tmp_path, resume=False)


def test_cells_without_a_label_are_predicted_and_not_trained_on(models, labelled):  # noqa: F811
    labelled.obs["part"] = labelled.obs["group"].astype(object)
    labelled.obs.loc[labelled.obs_names[:8], "part"] = None
    tuner = FineTuner(models["scgpt"], labelled, labels_key="part")
    assert len(tuner._cells) == 92
    assert tuner._cells.min() == 8
    assert tuner.train(1).predict(labelled).notna().all(axis=None)


def test_wrong_requests(models, labelled):  # noqa: F811
    import mudata

    model = models["scgpt"]
    with pytest.raises(InputValueError, match="Only networks are tuned"):
        FineTuner(sgt.fm.load("corpus-svd"), labelled, labels_key="group")
    with pytest.raises(MissingKeyError, match="the columns are: group"):
        FineTuner(model, labelled)
    with pytest.raises(InputValueError, match="task is 'classification', 'expression' or 'masked'"):
        FineTuner(model, labelled, task="regression")
    with pytest.raises(InputValueError, match="no head of its own"):
        FineTuner(model, labelled, task="masked", adapt="head")
    with pytest.raises(InputValueError, match="labels_key= names classes, and task='expression' learns none"):
        FineTuner(model, labelled, task="expression", labels_key="group")
    with pytest.raises(InputValueError, match=r"share= .* task='classification' hides none"):
        FineTuner(model, labelled, labels_key="group", share=0.3)
    with pytest.raises(InputValueError, match="share is a number above 0 and below 1"):
        FineTuner(model, labelled, task="masked", share=1.5)
    labelled.obs["one"] = "x"
    with pytest.raises(LabelError, match="1 classes; at least 2"):
        FineTuner(model, labelled, labels_key="one")
    with pytest.raises(InputValueError, match="at least 10"):
        FineTuner(model, labelled[:4].copy(), labels_key="group")
    with pytest.raises(InputTypeError, match=r"first and then the cells: FineTuner\(model, adata\)"):
        FineTuner(labelled, model)
    with pytest.raises(InputValueError, match="rank= is of adapters, and adapt='full' has none"):
        FineTuner(model, labelled, labels_key="group", adapt="full", rank=3)
    tuner = FineTuner(model, labelled, labels_key="group")
    assert repr(tuner) == "FineTuner(scgpt, 2 classes, lora, not trained)"
    with pytest.raises(InputValueError, match="Nothing to predict"):
        tuner.predict(labelled)
    tuner.train(1)
    assert "lowest loss held back" in tuner._repr_html_()
    with pytest.raises(InputTypeError, match=r"Pass the modality that holds the RNA: mdata\.mod\['rna'\]"):
        tuner.predict(mudata.MuData({"rna": labelled}))
    with pytest.raises(InputValueError, match="trained already"):
        tuner.train(1)


def test_the_learning_rate_falls_where_it_is_asked_to():
    from functools import partial

    from scgnn_tools.train.fitting import factor

    steady, falling = partial(factor, warmup=4, steps=None), partial(factor, warmup=4, steps=100)
    assert [steady(s) for s in (0, 4, 80)] == [0.2, 1.0, 1.0]
    assert [falling(s) for s in (0, 50, 100, 400)] == [0.2, 0.5, 0.05, 0.05]


def test_what_setup_was_told_holds_where_the_constructor_says_nothing(models, labelled):  # noqa: F811
    labelled.layers["other"] = labelled.X * 2
    labelled.obs["part"] = labelled.obs["group"]
    FineTuner.setup_anndata(labelled, labels_key="group", layer="other")
    tuner = FineTuner(models["scgpt"], labelled, adapt="head")
    assert tuner.classes == ["a", "b"]
    assert tuner.reading == {"layer": "other", "gene_key": None, "organism": None}
    assert FineTuner(models["scgpt"], labelled, task="masked", layer="X").reading["layer"] == "X"
    with pytest.raises(MissingKeyError, match="labels_key='nothing'"):
        FineTuner.setup_anndata(labelled, labels_key="nothing")


@pytest.mark.parametrize(("name", "task"), [*(("scgpt", t) for t in TASKS), *((n, "expression") for n in NAMES[1:])])
def test_a_tuner_comes_back_from_disk(models, labelled, tmp_path, name, task):  # noqa: F811
    tuner = FineTuner(models[name], labelled, **asked(task), adapt="lora" if task == "masked" else "head")
    with pytest.raises(InputValueError, match="not trained"):
        tuner.save(tmp_path / "t")
    tuner.train(1, lr=1e-2).save(tmp_path / "t")
    with pytest.raises(InputValueError, match="is there already"):
        tuner.save(tmp_path / "t")
    again = FineTuner.load(tmp_path / "t", device="cpu")
    pd.testing.assert_frame_equal(again.history, tuner.history)
    assert (again.classes, again.task_name) == (tuner.classes, task)
    some = labelled[:7].copy()
    np.testing.assert_allclose(again.model.embed_cells(some), tuner.model.embed_cells(some), atol=1e-5)
    if task == "classification":
        np.testing.assert_allclose(again.predict(some), tuner.predict(some), atol=1e-5)
        np.testing.assert_array_equal(FineTuner.load(tmp_path / "t", some, device="cpu").predict(), again.predict(some))
        assert len(tuner.predict()) == labelled.n_obs
        with pytest.raises(InputValueError, match="There are no cells"):
            again.predict()
    if task == "expression":
        np.testing.assert_allclose(again.predict(some).toarray(), tuner.predict(some).toarray(), atol=1e-5)
    with pytest.raises(InputValueError, match="trained already"):
        again.train(1)
    file = tmp_path / "t" / "network" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError, match=r"damaged|changed"):
        FineTuner.load(tmp_path / "t")


def test_without_early_stopping_the_last_weights_are_kept(models, labelled):  # noqa: F811
    def weights(**how):
        return FineTuner(models["scgpt"], labelled, labels_key="group", rank=2).train(3, lr=0.3, patience=1, **how)

    stopped, whole = weights(), weights(early_stopping=False)
    assert len(whole.history) == 3 >= len(stopped.history)
    small = FineTuner(models["scgpt"], labelled, labels_key="group", adapt="head").train(1, batch_size=5)
    assert len(small.history) == 1


@pytest.fixture
def worsens(monkeypatch):
    """The loss on validation cells is the number of the epoch: the first one is the best."""
    begin, loss = CellFeed.begin, CellFeed.loss

    def begun(self, epoch):
        self.epoch = epoch
        begin(self, epoch)

    def worse(self, batch, place):
        value, n = loss(self, batch, place)
        return (value if place is not None else value * 0 + self.epoch), n

    monkeypatch.setattr(CellFeed, "begin", begun)
    monkeypatch.setattr(CellFeed, "loss", worse)


def interrupt_in(monkeypatch, epoch, error=KeyboardInterrupt):
    """Let a training end in the first batch of an epoch, or after three of the first one."""
    loss = CellFeed.loss

    def ended(self, batch, place):
        if place is not None and place[0] == epoch and (epoch or place[1] == 3):
            raise error
        return loss(self, batch, place)

    monkeypatch.setattr(CellFeed, "loss", ended)


def weights_of(tuner):
    return {**tuner.model.network.state_dict(), **tuner.task.state_dict()}


def assert_same(a, b):
    pd.testing.assert_frame_equal(a.history, b.history)
    for x, y in zip(weights_of(a).values(), weights_of(b).values(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)


@pytest.mark.parametrize("early", [False, True])
def test_the_state_is_written_each_epoch_also_when_validation_gets_worse(models, labelled, tmp_path, worsens, early):  # noqa: F811
    def tuner() -> FineTuner:
        return FineTuner(models["scgpt"], labelled, labels_key="group", adapt="head")

    how = {"early_stopping": early, "folder": tmp_path}
    one = tuner().train(1, early_stopping=early)
    two = tuner().train(2, **how)
    assert len(tuner_rows(tmp_path, two)) == len(read_state(tmp_path / LAST)["figures"]["history"]) == 2
    whole = tuner().train(5, **how)
    assert len(whole.history) == (4 if early else 5)  # of patience 3
    assert read_state(tmp_path / LAST)["figures"]["history"] == tuner_rows(tmp_path, whole)
    assert_same(whole, tuner().train(5, early_stopping=early))
    assert early == all(
        torch.equal(x, y) for x, y in zip(*map(dict.values, map(weights_of, (one, whole))), strict=True)
    )
    file = (tmp_path / LAST).read_bytes()
    assert_same(tuner().train(9 if early else 5, **how), whole)
    assert (tmp_path / LAST).read_bytes() == file  # nothing was trained again
    with pytest.raises(InputValueError, match=r"holds a run of \d epochs; 3 are asked for\. Pass at least \d"):
        tuner().train(3, **how)


def tuner_rows(folder, tuner):
    steps = [row["step"] for row in read_state(folder / LAST)["figures"]["history"]]
    return tuner.history.assign(step=steps)[["step", "loss", "validation"]].to_dict("records")


def test_ctrl_c_without_early_stopping_keeps_the_last_weights(models, labelled, worsens, monkeypatch):  # noqa: F811
    def tuner() -> FineTuner:
        return FineTuner(models["scgpt"], labelled, labels_key="group", adapt="head")

    three = tuner().train(3, early_stopping=False)
    interrupt_in(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        (stopped := tuner()).train(9, early_stopping=False)
    assert_same(stopped, three)


@pytest.mark.parametrize("adapt", ["lora", "full", "head"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, torch.cuda.OutOfMemoryError])
def test_a_tuner_whose_first_epoch_broke_off_trains_as_a_new_one(models, labelled, monkeypatch, adapt, error):  # noqa: F811
    def tuner() -> FineTuner:
        return FineTuner(models["scgpt"], labelled[::2].copy(), labels_key="group", adapt=adapt)

    how = {"max_epochs": 1, "batch_size": 5}
    whole = tuner().train(**how)
    with monkeypatch.context() as patched:
        interrupt_in(patched, 0, error)
        with pytest.raises(error):
            (again := tuner()).train(max_epochs=2, batch_size=10)
    assert repr(again).endswith("not trained)")
    assert_same(again.train(**how), whole)


@pytest.mark.parametrize("name", ["scgpt", "geneformer"])
def test_a_cell_s_expression_is_predicted_from_that_cell_alone(models, labelled, name):  # noqa: F811
    tuner = FineTuner(models[name], labelled[::2].copy(), task="expression", adapt="head").train(1)
    cells, order = labelled[:24].copy(), np.random.default_rng(0).permutation(24)  # noqa: F811
    cells.X[3] = 0
    whole = tuner.predict(cells).toarray()
    assert not whole[3].any()
    np.testing.assert_allclose(tuner.predict(cells[order].copy()).toarray(), whole[order], atol=1e-5)
    np.testing.assert_allclose(tuner.predict(cells[:1].copy()).toarray(), whole[:1], atol=1e-5)
    if name == "scgpt":  # where the order of the tokens says nothing
        genes = np.random.default_rng(1).permutation(cells.n_vars)
        np.testing.assert_allclose(tuner.predict(cells[:, genes].copy()).toarray(), whole, atol=1e-5)
    empty = tuner.predict(cells[3:4].copy())
    assert (empty.shape, empty.nnz, empty.dtype) == ((1, len(tuner.model.vocabulary)), 0, np.float32)
