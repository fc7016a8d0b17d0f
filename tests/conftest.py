"""What all tests share: the folder of real data, small real objects, and quiet progress bars."""

import inspect
import os
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
    """Ctrl-C at the beginning of the epoch after so many, whoever trains."""
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

    return press
