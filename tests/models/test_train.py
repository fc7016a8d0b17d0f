"""One ``train()`` for every model class: the same words, refused by name, resumed honestly, interrupted without harm."""

import inspect
import json
import signal
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from tests.models.test_cell_labels import cells as labelled_cells

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools.models import CGC, FineTuner, ScBiGNN, ScGraPhT, ScNetFormer, ScRegNet, ScTransNet
from scgnn_tools.train.arguments import Checked, from_device

WORDS = ["max_epochs", "accelerator", "devices", "early_stopping", "batch_size", "resume", "folder"]
CLASSES = [
    getattr(sgt.models, n)
    for n in ("ScGraPhT", "ScBiGNN", "CGC", "ScRegNet", "ScTransNet", "ScNetFormer", "FineTuner", "Perturb")
]
SEVERAL = (CGC, FineTuner)
WRONG = [
    ({"max_epochs": 0}, "max_epochs is a positive integer"),
    ({"max_epochs": 1.5}, "max_epochs is a positive integer"),
    ({"batch_size": 0}, "batch_size is a positive integer"),
    ({"patience": 0}, "patience is a positive integer"),
    ({"early_stopping": "yes"}, "early_stopping is True or False"),
    ({"accelerator": "tpu"}, "accelerator is 'auto', 'cpu'"),
    ({"devices": 2}, "trains on one device"),
    ({"devices": True}, "trains on one device"),
    ({"devices": [0, 1]}, "trains on one device"),
    ({"devices": 0}, "trains on one device|devices is a positive integer"),
    ({"devices": "many"}, "trains on one device"),
]  # fmt: skip


def bare(cls):
    """Return a model that knows its device and nothing else: arguments are checked before anything else is looked at."""
    out = cls.__new__(cls)
    out.model, out.history, out._options = SimpleNamespace(device=torch.device("cpu")), None, {}
    out.adata = out._device = None
    return out


@pytest.mark.parametrize("cls", CLASSES)
def test_the_words_are_those_of_scvi_tools(cls):
    parameters = inspect.signature(cls.train).parameters
    assert [n for n in parameters if n != "self"][: len(WORDS)] == WORDS
    kinds = {n: p.kind for n, p in parameters.items()}
    assert kinds["max_epochs"] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert all(kinds[n] is inspect.Parameter.KEYWORD_ONLY for n in WORDS[1:])
    defaults = {n: parameters[n].default for n in WORDS[1:]}
    stops = cls is not CGC
    assert defaults == dict(zip(WORDS[1:], ["auto", "auto", stops, None, True, None], strict=True))


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_is_told_of_the_object_before(cls):
    first, *rest = inspect.signature(cls.setup_anndata).parameters.values()
    assert first.name == "adata"
    assert all(p.kind is p.KEYWORD_ONLY for p in rest)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(("given", "says"), WRONG)
def test_what_a_class_cannot_do_it_refuses_by_name(cls, given, says):
    if (given.get("devices") == 2 and cls in SEVERAL) or (cls is CGC and "patience" in given):
        pytest.skip("it trains on several devices, or has no patience")
    with pytest.raises(InputValueError, match=says):
        bare(cls).train(**given)


@pytest.mark.parametrize("cls", CLASSES)
def test_none_stands_for_what_is_none_unasked_and_for_nothing_else(cls):
    for name, parameter in inspect.signature(cls.train).parameters.items():
        if name in ("self", "schedule", "checkpoint_every") or parameter.default is None:
            continue
        with pytest.raises(InputValueError, match=f"^{name} is|trains on one device"):
            bare(cls).train(**{name: None})


@pytest.mark.parametrize(
    ("cls", "old", "says"),
    [
        (ScGraPhT, {"ckpt_path": None}, "ckpt_path= goes in the next release; pass resume=False"),
        (ScBiGNN, {"ckpt_path": "last"}, "ckpt_path= goes in the next release; pass resume=True"),
        (ScRegNet, {"device": "cpu"}, "device= goes in the next release; pass accelerator='cpu'"),
        (ScTransNet, {"device": "cpu"}, "device= goes in the next release; pass accelerator='cpu'"),
    ],
)
def test_the_words_of_the_release_before_reach_train(cls, old, says):
    with pytest.warns(FutureWarning, match=says), pytest.raises(InputValueError, match="trains on one device"):
        bare(cls).train(**old, devices=2)


def test_numbers_of_numpy_become_those_that_any_file_holds():
    class Toy(Checked):
        def __init__(self, **options):
            self.options = options

        def train(self, max_epochs: int = 1, *, early_stopping: bool = True, lr=1e-3):
            return max_epochs, early_stopping, lr

    sizes = Toy(hidden=(np.int64(8), np.int64(4)), how={"lr": np.float32(0.5)}, name=np.str_("x")).options
    assert json.loads(json.dumps(sizes)) == {"hidden": [8, 4], "how": {"lr": 0.5}, "name": "x"}
    given = Toy().train(np.int64(2), early_stopping=np.False_, lr=np.float64(0.1))
    assert given == (2, False, 0.1)
    assert [type(v) for v in given] == [int, bool, float]


def test_a_gpu_that_is_not_there_is_refused_in_the_words_of_train(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no CUDA")))
    with pytest.raises(InputValueError, match=r"Pass accelerator='auto'"):
        bare(ScGraPhT).train(accelerator="gpu")


def test_pretraining_does_not_stop_early():
    with pytest.raises(InputValueError, match=r"CGC pretrains for .* does not stop early"):
        bare(CGC).train(early_stopping=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("auto", {"accelerator": "auto"}),
        ("cpu", {"accelerator": "cpu"}),
        ("cuda:1", {"accelerator": "gpu", "devices": [1]}),
        (torch.device("cuda"), {"accelerator": "gpu"}),
    ],
)
def test_a_device_becomes_an_accelerator(old, new):
    assert from_device(old) == new


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width": 0}, "width is a positive integer"),
        ({"dropout": 2.0}, "dropout is a number at least 0 and below 1"),
        ({"balance": -3}, "balance is a number at least 0"),
        ({"pathway": 3}, "pathway='3' has the step '3'"),
        ({"patience": 0}, "patience is a positive integer or None"),
        ({"batch_size": 0}, "batch_size is a positive integer or None"),
        ({"lr": float("nan")}, "lr is positive"),
        ({"n_genes": 2.5}, "n_genes is a positive integer"),
    ],
)
def test_numbers_out_of_range_are_refused(options, says):
    from scgnn_tools.labels import label_method

    with pytest.raises(InputValueError, match=says):
        label_method("scgrapht", **options)


# resumed honestly, interrupted without harm

SIZES = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "max_length": 33, "min_cells": 1, "device": "cpu"}


def counts(n=60, seed=0, names=slice(0, 60)):
    rng = np.random.default_rng(seed)
    index = genes.prior()["target"].drop_duplicates().to_numpy()[names]
    x = rng.poisson(rng.gamma(0.5, 2.0, size=(2, 60))[np.arange(n) % 2]).astype(np.float32)
    out = ad.AnnData(
        sp.csr_matrix(x), var=pd.DataFrame(index=index), obs=pd.DataFrame(index=[f"c{i}" for i in range(n)])
    )
    out.obs["y"] = np.where(np.arange(n) % 2, "a", "b")
    return out


def cgc(adata=None, **options):
    adata = counts() if adata is None else adata
    CGC.setup_anndata(adata)
    return CGC(adata, n_graph_layers=1, **SIZES, **options)


def scnetformer(adata=None, **options):
    adata = counts() if adata is None else adata
    ScNetFormer.setup_anndata(adata)
    return ScNetFormer(adata, **SIZES, **options)


def tuner(adata=None, **options):
    return FineTuner(
        cgc().model, counts() if adata is None else adata, **{"labels_key": "y", "adapt": "head", **options}
    )


MAKES = {"cgc": cgc, "scnetformer": scnetformer, "tuner": tuner}
HOW = {
    "cgc": {"steps": 2, "batch_size": 16, "checkpoint_every": 1},
    "scnetformer": {"max_epochs": 1, "warmup": 1},
    "tuner": {"max_epochs": 1},
}


def swapped():
    out = counts()
    out.obs["y"] = np.where(np.arange(60) < 30, "a", "b")
    return out


def edges():
    names = counts().var_names
    return pd.DataFrame({"source": names[:20], "target": names[20:40]})


OTHERS = [
    ("cgc", lambda: cgc(counts(seed=1)), {}, "cells"),
    ("cgc", lambda: cgc(counts(names=slice(100, 160))), {}, "a vocabulary cannot grow"),
    ("cgc", lambda: cgc(rng=1), {}, r"starting weights.*rng \(0 there, 1 here\)"),
    ("cgc", cgc, {"lr": 1e-2}, r"lr \(0.0001 there, 0.01 here\)"),
    ("scnetformer", lambda: scnetformer(counts(seed=1)), {}, "cells"),
    ("scnetformer", lambda: scnetformer(graph=edges()), {}, "options of the model"),
    ("scnetformer", scnetformer, {"share": 0.3}, "share"),
    ("tuner", lambda: tuner(counts(seed=1)), {}, "cells"),
    ("tuner", lambda: tuner(swapped()), {}, "labels"),
    ("tuner", lambda: tuner(adapt="lora", rank=4), {}, r"rank \(8 there, 4 here\)"),
    ("tuner", lambda: tuner(adapt="full"), {}, r"adapt \(head there, full here\)"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = {}
    for name, make in MAKES.items():
        out[name] = tmp_path_factory.mktemp(name) / "run"
        make().train(folder=out[name], **HOW[name])
    return out


@pytest.mark.parametrize(("name", "make", "more", "differs"), OTHERS)
def test_a_folder_of_another_run_is_refused_and_the_part_is_named(runs, name, make, more, differs):
    with pytest.raises(InputValueError, match=f"holds another run, which differs in .*{differs}"):
        make().train(folder=runs[name], **{**HOW[name], **more})


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("damage", ["cut", "flip", "text", "plan cut", "plan a list", "plan lost"])
def test_a_damaged_state_is_an_error_that_says_what_to_do(runs, name, damage, tmp_path):
    import shutil

    folder = shutil.copytree(runs[name], tmp_path / "run")
    file = folder / ("plan.json" if damage.startswith("plan") else "last.ckpt")
    data = file.read_bytes()
    middle = len(data) // 2
    some = slice(middle, middle + 128)  # what PyTorch pads with between two tensors is shorter, and nobody reads it
    flipped = data[:middle] + bytes(b ^ 4 for b in data[some]) + data[middle + 128 :]
    file.write_bytes({"flip": flipped, "text": b"hello", "plan a list": b"[]"}.get(damage, data[:middle]))
    if damage == "plan lost":
        file.unlink()
    with pytest.raises((InputValueError, WeightsError), match="resume=False"):
        MAKES[name]().train(folder=folder, **HOW[name])
    MAKES[name]().train(folder=folder, resume=False, **HOW[name])


def test_a_run_that_is_longer_than_asked_for_is_refused(runs):
    with pytest.raises(InputValueError, match="holds a run of 2 steps; 1 are asked for"):
        cgc().train(folder=runs["cgc"], **{**HOW["cgc"], "steps": 1})


def test_the_same_object_goes_on_in_its_folder(tmp_path):
    model = cgc()
    model.train(folder=tmp_path, **HOW["cgc"])
    model.train(folder=tmp_path, **{**HOW["cgc"], "steps": 4})
    assert model.history["step"].tolist() == [1, 2, 3, 4]
    whole = cgc().train(**{**HOW["cgc"], "steps": 4})
    np.testing.assert_array_equal(model.model.gene_table(), whole.model.gene_table())
    with pytest.raises(InputValueError, match="starting weights"):  # it is not the run that began with these
        model.train(folder=tmp_path / "other", **HOW["cgc"]).train(folder=tmp_path, **HOW["cgc"])


@pytest.mark.parametrize("name", MAKES)
def test_ctrl_c_is_a_keyboard_interrupt_and_leaves_a_model(name, monkeypatch):
    calls, model = [], MAKES[name]()
    kind, method = type(model.model), "pooled" if name == "tuner" else "masked_loss"
    whole = getattr(kind, method)

    def interrupted(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(kind, method, interrupted)
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    long = (
        {"steps": 500, "batch_size": 16, "checkpoint_every": 3}
        if name == "cgc"
        else {"max_epochs": 500, "patience": 500}
    )
    with pytest.raises(KeyboardInterrupt):
        model.train(**long)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert not any(m.training for m in model.model.network.modules())
    assert not any(p.requires_grad for p in model.model.network.parameters())
    assert 0 < len(model.history) < 30
    some = counts()[:5]
    np.testing.assert_array_equal(model.model.embed_cells(some), model.model.embed_cells(some))


@pytest.mark.parametrize("changed", ["unlabelled cells", "logits", "dropout"])
def test_a_scgrapht_of_other_unlabelled_cells_or_logits_is_another_run(changed, tmp_path):
    def train(value, adata):
        ScGraPhT.setup_anndata(adata, labels_key="cell_type")
        own = {"logits": lambda cells: np.log(np.full((len(cells), 3), 1 / 3)) + value * np.eye(3)[0]}
        options = {"dropout": 0.2 + value} if changed == "dropout" else own if changed == "logits" else {}
        return ScGraPhT(adata, use_rep="X_own", n_genes=20, width=8, **options).train(
            2, folder=tmp_path, transductive=True, accelerator="cpu"
        )

    first, second = labelled_cells(90), labelled_cells(90)
    if changed == "unlabelled cells":
        second.X = sp.vstack([second.X[0] * 2, second.X[1:]], format="csr")  # every fifth cell has no label
    train(0.0, first)
    with pytest.raises(InputValueError, match=f"differs in {changed}"):
        train(0.1, second)
