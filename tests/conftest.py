"""What all tests share: the folder of real data, small real objects, and quiet progress bars."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scgnn_tools as sgt

DATA = Path(os.environ.get("SGT_TEST_DATA", Path(__file__).parents[1].parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def _quiet():
    before = sgt.settings.progress
    sgt.settings.progress = False
    yield
    sgt.settings.progress = before
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")  # pyplot keeps every figure, and warns of more than twenty


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real data; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"real data not found at {DATA}; set SGT_TEST_DATA")
    return DATA


FRESH = """
import gc, json, os, sys, weakref
import scgnn_tools as sgt
found = {"heavy": sorted({"torch", "scanpy", "torch_geometric", "scvi", "sklearn", "matplotlib", "mudata"} & set(sys.modules))}
found |= {"wait policy": os.environ["OMP_WAIT_POLICY"], "progress": sgt.settings.progress}
for room in ("data", "genes", "graph", "labels", "links", "metrics", "pp", "splits"):
    getattr(sgt, room)
found["torch for rooms of arrays and names"] = "torch" in sys.modules
class Held: ...
def use(held):
    sgt.tl
    return weakref.ref(held)
gc.disable()
found["held"] = use(Held())() is not None
gc.enable()
import numpy as np, scipy.sparse as sp, torch
torch.set_num_threads(1)
found["threads"] = [torch.get_num_threads()]
from scgnn_tools.data.binning import bin_values
bin_values(sp.csr_array(np.eye(9)))
found["threads"].append(torch.get_num_threads())
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def fresh() -> dict:
    """What a new process finds, one after the other; starting it takes longer than all of this. ``SGT_PROGRESS`` is 0 there."""
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | {"SGT_PROGRESS": "0"}
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def _pbmc68k():
    import warnings

    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scanpy reads a file of an old anndata format here
        return sc.datasets.pbmc68k_reduced()


@pytest.fixture
def pbmc68k(_pbmc68k):
    """700 real cells that ship inside scanpy: scaled X, log-normalised raw, 765 genes."""
    return _pbmc68k.copy()


@pytest.fixture
def quick_umap(monkeypatch):
    """Take the first two columns for a UMAP: what UMAP compiles at its first call takes most of a minute."""
    from scgnn_tools import pl  # noqa: F401 (what draws a map has to be there)

    for name, module in list(sys.modules.items()):
        if name.startswith("scgnn_tools.pl.") and inspect.isfunction(getattr(module, "umap", None)):
            monkeypatch.setattr(module, "umap", lambda vectors, rng: np.asarray(vectors)[:, :2])


@pytest.fixture
def ctrl_c(monkeypatch):
    """Ctrl-C at the beginning of the epoch after so many, whoever trains; it returns the epochs that begin, one by one."""
    from scgnn_tools.train import full_batch, module

    done = []

    def wait(after, begin):
        def counted(*args, **kwargs):
            done.append(1)
            if len(done) == after + 1:
                raise KeyboardInterrupt
            return begin(*args, **kwargs)

        return counted

    def press(*, after):
        monkeypatch.setattr(full_batch, "_epoch", wait(after, full_batch._epoch))
        monkeypatch.setattr(module.Module, "on_train_epoch_start", wait(after, module.Module.on_train_epoch_start))
        return done

    return press
