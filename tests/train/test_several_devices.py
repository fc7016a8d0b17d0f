"""Training on two processes is training on one with batches twice as large; what does not train on several says so."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.fm.conftest import _cells, cells, folders  # noqa: F401

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.models import FineTuner
from scgnn_tools.train.parts import Part

SCRIPT = """
import importlib, json, os, sys, warnings
import anndata as ad, torch
import scgnn_tools as sgt
from scgnn_tools.models import CGC, FineTuner, ScGraPhT
warnings.simplefilter("ignore")
job, cells, weights, folder, devices, batch, dies = sys.argv[1:]
devices, batch = int(devices), int(batch)

def without_dropout(*parts):
    for part in (p for whole in parts for p in whole.modules()):
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0

def finetuner(adata):
    tuner = FineTuner(sgt.fm.load("scgpt", checkpoint=weights, device="cpu"), adata, labels_key="group", adapt="head")
    without_dropout(tuner.task, tuner.model.network)
    return tuner.train(3, early_stopping=False, devices=devices, batch_size=batch, max_tokens=2**20, folder=folder)

def cgc(adata):
    CGC.setup_anndata(adata)
    small = dict(dim=16, heads=2, hidden=16, n_layers=1, n_graph_layers=1, max_length=60, dropout=0.0)
    model = CGC(adata, variant="paper", coexpression="auto", min_cells=1, **small)  # without running statistics
    how = dict(steps=6, batch_size=4, accumulate=2 // devices, checkpoint_every=2, warmup=0, lr=1e-3)
    return model.train(devices=devices, folder=folder, **how)

def integrate(adata):
    from tests.integration.test_methods import batches
    from scgnn_tools.integration import integration_method
    small = {"dim": 8, "n_layers": 1, "n_genes": 20, "max_length": 16, "max_epochs": 3, "device": "cpu"}
    method = integration_method("cgc", devices=devices, max_cells=batch, folder=folder, **small)
    method.fit(batches(), rng=1)
    return method

def joint(adata):
    ScGraPhT.setup_anndata(adata, labels_key="group")
    encoder = FineTuner(sgt.fm.load("scgpt", checkpoint=weights, device="cpu"), adata, labels_key="group", adapt="head")
    encoder.train(1)  # on one device, in every process
    without_dropout(encoder.task, encoder.model.network)
    how = dict(pathway="P2", width=16, n_genes=50, lr=1e-2, encoder_lr=1e-3, dropout=0.0)
    model = ScGraPhT(adata, scheme="joint", encoder=encoder, **how)
    return model.train(3, accelerator="cpu", devices=devices, batch_size=batch, folder=folder)

if dies and os.environ.get("LOCAL_RANK") == "1":
    module, kind, method = dies.split(":")
    def die(*given):
        open(folder + ".dead", "w").close()
        os._exit(7)
    setattr(getattr(importlib.import_module("scgnn_tools." + module), kind), method, die)
history = globals()[job](ad.read_h5ad(cells)).history
if os.environ.get("LOCAL_RANK", "0") == "0":
    with open(folder + ".json", "w") as file:
        json.dump({k: list(history[k]) for k in history}, file)
"""
JOBS = {
    "finetuner": "train.tasks:ClassificationTask:loss_of_part",
    "cgc": "train.pretrain:StreamFeed:loss",
    "integrate": "train.batch_task:BatchTask:loss_of_part",
    "joint": "labels.scgrapht.network:PathwayNetwork:forward",
}
"""What is trained, and what a process does not come back from."""


def start(job, tmp_path, cells, weights, devices, batch, dies=""):  # noqa: F811
    """Start a script of its own: Lightning starts it once more for the second process."""
    script, file, out = tmp_path / "train.py", tmp_path / "cells.h5ad", tmp_path / f"of{devices}"
    if not file.exists():
        script.write_text(SCRIPT)
        cells.write_h5ad(file)
    env = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT")}
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, str(script), job, str(file), str(weights), str(out), str(devices), str(batch), dies]
    env |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.Popen(words, env=env, stderr=subprocess.PIPE, start_new_session=True), out


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_two_processes_lose_what_one_with_twice_the_batch_loses(cells, folders, tmp_path, job):  # noqa: F811
    found = []
    for devices, batch in ((2, 4), (1, 8)):
        process, out = start(job, tmp_path, cells, folders["scgpt"], devices, batch)
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()[-2000:]
        found.append(json.loads(out.with_name(out.name + ".json").read_text()))
    for name in ("loss", "validation"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-4)
    assert found[0]["validation"][0] != found[0]["validation"][-1]


@pytest.mark.slow
@pytest.mark.parametrize(("job", "dies"), JOBS.items())
def test_a_process_that_dies_ends_all(cells, folders, tmp_path, job, dies):  # noqa: F811
    process, out = start(job, tmp_path, cells, folders["scgpt"], 2, 4, dies)
    try:
        deadline = time.monotonic() + 400  # for the imports of both
        while not out.with_name(out.name + ".dead").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.communicate(timeout=30)
        assert process.returncode != 0
        assert not out.with_name(out.name + ".json").exists()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def test_parts_of_a_batch_weigh_as_the_whole():
    batch, value, of_class = np.arange(7), np.arange(7.0) ** 2, np.array([1, 1, 3, 1, 3, 1, 1.0])

    def mean(some):
        return (of_class[some] * value[some]).sum() / of_class[some].sum()

    parts = [Part(batch, r, 2) for r in range(2)]
    assert sorted(np.concatenate([p.cells for p in parts])) == list(range(7))
    weights = [p.weight(lambda some: of_class[some].sum()) for p in parts]
    assert np.mean([w * mean(p.cells) for w, p in zip(weights, parts, strict=True)]) == pytest.approx(mean(batch))
    assert [Part(batch[:1], r, 2).weight(len) for r in range(2)] == [2.0, 0.0]


def test_what_does_not_train_on_several_devices_says_so(cells, folders):  # noqa: F811
    model = sgt.fm.load("scgpt", checkpoint=folders["scgpt"], device="cpu")
    tuner = FineTuner(model, cells, labels_key="group", adapt="head")
    with pytest.raises(InputValueError, match=r"devices=2 wants a folder="):
        tuner.train(1, devices=2)
    sgt.models.ScGraPhT.setup_anndata(cells, labels_key="group")
    with pytest.raises(InputValueError, match="ScGraPhT trains on one device"):
        sgt.models.ScGraPhT(cells).train(1, devices=2)


@pytest.mark.slow
def test_lightning_is_not_imported_before_something_is_trained_with_it():
    words = "import sys, scgnn_tools.train, scgnn_tools.labels.scgrapht.method; sys.exit('lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0
