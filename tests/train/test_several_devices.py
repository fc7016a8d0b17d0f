"""Training on two processes is training on one with batches twice as large; what does not train on several says so."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.fm.conftest import _cells, cells, folders  # noqa: F401

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.models import FineTuner
from scgnn_tools.train.fitting import part_of

SCRIPT = """
import json, os, sys, time, warnings
import anndata as ad, torch
import scgnn_tools as sgt
from scgnn_tools.models import FineTuner
warnings.simplefilter("ignore")
cells, weights, folder, devices, batch, dies = sys.argv[1:]
tuner = FineTuner(sgt.fm.load("scgpt", checkpoint=weights, device="cpu"), ad.read_h5ad(cells), labels_key="group", adapt="head")
for part in [*tuner.task.modules(), *tuner.model.network.modules()]:
    if isinstance(part, torch.nn.Dropout):
        part.p = 0.0
if dies == "yes" and os.environ.get("LOCAL_RANK") == "1":
    before = tuner.task.loss
    def loss(*given):
        os._exit(7)
    tuner.task.loss = loss
tuner.train(3, early_stopping=False, devices=int(devices), batch_size=int(batch), max_tokens=2**20, folder=folder)
if os.environ.get("LOCAL_RANK", "0") == "0":
    with open(folder + ".json", "w") as file:
        json.dump({k: list(tuner.history[k]) for k in tuner.history}, file)
"""


def start(tmp_path, cells, weights, devices, batch, dies="no"):  # noqa: F811
    """Start a script of its own: Lightning starts it once more for the second process."""
    script, file, out = tmp_path / "train.py", tmp_path / "cells.h5ad", tmp_path / f"of{devices}"
    if not file.exists():
        script.write_text(SCRIPT)
        cells.write_h5ad(file)
    env = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT")}
    words = [sys.executable, str(script), str(file), str(weights), str(out), str(devices), str(batch), dies]
    return subprocess.Popen(
        words, env={**env, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, start_new_session=True
    ), out


@pytest.mark.slow
def test_two_processes_lose_what_one_with_twice_the_batch_loses(cells, folders, tmp_path):  # noqa: F811
    found = []
    for devices, batch in ((2, 4), (1, 8)):
        process, out = start(tmp_path, cells, folders["scgpt"], devices, batch)
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()[-2000:]
        found.append(json.loads(out.with_name(out.name + ".json").read_text()))
    for name in ("loss", "validation"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-4)
    assert found[0]["validation"][0] != found[0]["validation"][-1]


@pytest.mark.slow
def test_a_process_that_dies_ends_all(cells, folders, tmp_path):  # noqa: F811
    process, out = start(tmp_path, cells, folders["scgpt"], 2, 4, dies="yes")
    try:
        begun = time.monotonic()
        process.communicate(timeout=120)  # the imports of both are in this
        assert process.returncode != 0
        assert time.monotonic() - begun < 120
        assert not out.with_name(out.name + ".json").exists()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_parts_of_a_batch_weigh_as_the_whole():
    batch, value, of_class = np.arange(7), np.arange(7.0) ** 2, np.array([1, 1, 3, 1, 3, 1, 1.0])

    def mean(some):
        return (of_class[some] * value[some]).sum() / of_class[some].sum()

    parts = [part_of(batch, r, 2) for r in range(2)]
    assert sorted(np.concatenate([p.cells for p in parts])) == list(range(7))
    weights = [p.weight(lambda some: of_class[some].sum()) for p in parts]
    assert np.mean([w * mean(p.cells) for w, p in zip(weights, parts, strict=True)]) == pytest.approx(mean(batch))
    assert [part_of(batch[:1], r, 2).weight(len) for r in range(2)] == [2.0, 0.0]


def test_what_does_not_train_on_several_devices_says_so(cells, folders):  # noqa: F811
    model = sgt.fm.load("scgpt", checkpoint=folders["scgpt"], device="cpu")
    tuner = FineTuner(model, cells, labels_key="group", adapt="head")
    with pytest.raises(InputValueError, match=r"devices=2 wants a folder="):
        tuner.train(1, devices=2)
    sgt.models.ScGraPhT.setup_anndata(cells, labels_key="group")
    with pytest.raises(InputValueError, match="ScGraPhT trains on one device"):
        sgt.models.ScGraPhT(cells).train(1, devices=2)
