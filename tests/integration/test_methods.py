import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from benchmarks import checkpoints

from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, LabelError, MissingExtraError
from scgnn_tools.integration import METHODS, Batches, integration_method
from scgnn_tools.metrics import integration


def batches(n=160, d=8, *, seed=0):
    """Two labels in two batches, one of them shifted; counts of 30 genes beside."""
    rng = np.random.default_rng(seed)
    labels, batch = np.repeat([0, 1], n // 2), np.arange(n) % 2
    rate = np.exp(rng.normal(size=(2, 30)))[labels] * np.exp(0.7 * rng.normal(size=(2, 30)))[batch]
    counts = rng.poisson(3 * rate) + 1
    totals = counts.sum(axis=1).astype(float)
    x = sp.csr_array(np.log1p(counts / totals[:, None] * 1e4).astype(np.float32))
    vectors = (4 * np.eye(2, d)[labels] + rng.normal(size=(n, d)) + 3 * batch[:, None] * np.eye(d)[-1]).astype(
        np.float32
    )
    return Batches(vectors, batch, x, np.array([f"g{i}" for i in range(30)], dtype=object), totals, labels)


def options(name):
    return {"max_epochs": 3} if "epochs" in str(METHODS[name]) or name in ("scvi", "scanvi") else {}


@pytest.mark.parametrize("name", [n for n in METHODS if METHODS[n].needs != "tokens"])
def test_a_method_gives_every_cell_a_vector_that_follows_the_seed(name):
    cells = batches()
    one, again = (integration_method(name, **options(name)).fit(cells, rng=1) for _ in range(2))
    assert len(one) == len(cells)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one, again, atol=1e-4)


@pytest.mark.parametrize("name", ["center", "harmony", "combat"])
def test_a_correction_mixes_batches_and_keeps_labels(name):
    cells = batches()
    was = integration(cells.vectors, cells.batch, cells.labels, which=["mixing", "clisi"])
    now = integration(integration_method(name).fit(cells), cells.batch, cells.labels, which=["mixing", "clisi"])
    assert now["mixing"] > was["mixing"] + 0.05
    assert now["clisi"] > 0.9


def test_center_gives_each_batch_the_same_mean():
    cells = batches()
    out = integration_method("center").fit(cells)
    np.testing.assert_allclose(out[cells.batch == 0].mean(axis=0), out[cells.batch == 1].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(out.mean(axis=0), cells.vectors.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("n", [40, 7])
def test_harmony_has_cells_in_rows_also_with_fewer_cells_than_dimensions(n):
    some = batches(d=9).take(np.arange(80 - n // 2, 80 - n // 2 + n))
    out = integration_method("harmony", n_clusters=2).fit(some)
    assert out.shape == (n, 9)
    assert np.corrcoef(out[:, 0], some.vectors[:, 0])[0, 1] > 0.8


@pytest.mark.parametrize("flip", [False, True])
def test_harmony_reads_either_orientation(monkeypatch, flip):
    cells = batches()

    class Found:
        Z_corr = cells.vectors.T if flip else cells.vectors

    monkeypatch.setattr("harmonypy.run_harmony", lambda *_, **__: Found)
    np.testing.assert_array_equal(integration_method("harmony").fit(cells), cells.vectors)


@pytest.mark.parametrize("n", [4, 12])
def test_harmony_of_few_cells_has_one_cluster(n):
    some = batches(d=3).take(np.arange(n))
    assert np.isfinite(integration_method("harmony").fit(some)).all()


def test_harmony_refuses_a_square():
    with pytest.raises(InputValueError, match=r"8 cells and as many dimensions.*Pass n_comps=4"):
        integration_method("harmony").fit(batches().take(np.arange(8)))


def test_without_harmonypy_there_is_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'scgnn_tools\[integration\]'"):
        integration_method("harmony")


@pytest.mark.parametrize("name", ["none", "center", "scvi", "scanvi"])
def test_an_inductive_method_maps_each_cell_by_itself_and_is_saved(name):
    cells = batches()
    fitted = integration_method(name, **options(name))
    fitted.fit(cells, rng=0)
    whole = fitted.transform(cells)
    np.testing.assert_allclose(fitted.transform(cells.take(np.array([5, 90]))), whole[[5, 90]], atol=1e-4)
    again = integration_method(name, **options(name))
    again.restore(fitted.state())
    np.testing.assert_allclose(again.transform(cells), whole, atol=1e-5)


def test_scvi_maps_a_batch_that_it_has_not_seen_and_keeps_its_losses():
    cells = batches()
    fitted = integration_method("scvi", max_epochs=3)
    fitted.fit(cells)
    new = Batches(cells.vectors, np.full(len(cells), -1), cells.expression, cells.genes, cells.totals)
    np.testing.assert_allclose(fitted.transform(new), fitted.transform(cells), atol=1e-5)
    assert isinstance(fitted.history, pd.DataFrame)
    assert len(fitted.history) == 3


def test_center_does_not_know_a_new_batch():
    cells = batches()
    fitted = integration_method("center")
    fitted.fit(cells)
    with pytest.raises(InputValueError, match="some cells are of another one"):
        fitted.transform(Batches(cells.vectors, np.full(len(cells), -1)))


BAD = [
    (lambda: integration_method("bbknn"), InputValueError, "no integration method 'bbknn'; the methods are none, center"),
    (lambda: integration_method("harmony", thetta=1), InputValueError, "harmony has no option 'thetta'; its options are: theta"),
    (lambda: integration_method("scvi", max_epochs=-3), InputValueError, "max_epochs is a positive integer"),
    (lambda: integration_method("cgc", patience=0), InputValueError, "patience is a positive integer; got 0"),
    (lambda: integration_method("cgc", graph="x"), InputValueError, "graph is True or False"),
    (lambda: integration_method("cgc", folder=3), InputTypeError, "folder is a path; got 3"),
    (lambda: integration_method("scvi").fit(Batches(np.ones((4, 2)), np.arange(4) % 2)), InputScaleError, "want raw counts"),
    (lambda: integration_method("scanvi").fit(Batches(np.ones((4, 2)), np.arange(4) % 2)), LabelError, "learns from labels"),
    (lambda: integration_method("combat").fit(Batches(np.ones((4, 2)), np.arange(4) % 2)), InputValueError, "vectors only"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), BAD)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_cgc_is_tuned_on_the_batches_and_maps_each_cell_by_itself():
    cells = batches()
    small = {"dim": 8, "n_layers": 1, "n_genes": 20, "max_length": 16, "max_epochs": 2}
    one, again = (integration_method("cgc", **small).fit(cells, rng=1) for _ in range(2))
    np.testing.assert_allclose(one, again, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)
    fitted = integration_method("cgc", ecs=0, dar=0, graph=False, pretrain=False, **small)
    whole = fitted.fit(cells, rng=1)
    assert list(fitted.history.columns) == ["loss", "validation"]
    np.testing.assert_allclose(fitted.transform(cells.take(np.array([5, 90]))), whole[[5, 90]], atol=1e-5)
    assert np.abs(whole - one).max() > 0.01


def test_cgc_tunes_a_copy_of_a_network_that_it_is_given():
    from scgnn_tools.fm.cgc.small import small_network

    cells = batches()
    sizes = {"dim": 8, "heads": 2, "hidden": 8, "n_layers": 1, "n_graph_layers": 1, "max_length": 16, "dropout": 0.0}
    given = small_network(cells.expression, cells.genes, device="cpu", **sizes)
    before = {k: v.clone() for k, v in given.network.state_dict().items()}
    cells = Batches(cells.vectors, cells.batch, cells.expression, given.vocabulary, cells.totals)
    out = integration_method("cgc", model=given, max_epochs=1).fit(cells)
    assert out.shape == (160, 8)
    alone = integration_method("cgc", model=given, max_epochs=1, graph=False).fit(cells)
    assert np.abs(alone - out).max() > 1e-3
    assert all((before[k] == v).all() for k, v in given.network.state_dict().items())
    for bad, says in (
        ({"checkpoint": "x"}, "not both"),
        ({"dar_schedule": "x"}, "'ramp'"),
        ({"max_cells": 2}, "at least 4"),
        ({"ecs": -1}, "ecs is a number"),
        ({"lr": 0}, "lr is positive"),
        ({"dim": 2.5}, "dim is a positive integer"),
    ):
        with pytest.raises(InputValueError, match=says):
            integration_method("cgc", model=given, **bad)


TUNE = """
import sys
from tests.integration.test_methods import batches, small
from scgnn_tools.integration import integration_method
integration_method(sys.argv[1], folder=sys.argv[2], **small(sys.argv[1], sys.argv[3])).fit(batches(), rng=1)
"""
SMALL = {"dim": 8, "n_layers": 1, "n_genes": 20, "max_length": 16, "max_epochs": 6, "device": "cpu"}


def small(name, folder):
    """Return the options of a small network: a new Cell-Graph Compass, or the scGPT in a folder."""
    return SMALL if name == "cgc" else {"max_epochs": 6, "device": "cpu", "checkpoint": folder}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cgc", "scgpt"])
def test_a_tuning_that_was_killed_goes_on_and_another_one_is_refused(tmp_path, name):
    weights = checkpoints.scgpt(tmp_path / "scgpt", list(batches().genes), n_layers=1, dim=16, n_heads=2)
    how = small(name, weights)
    whole = integration_method(name, **how).fit(batches(), rng=1)
    at = tmp_path / "run"
    child = subprocess.Popen([sys.executable, "-c", TUNE, name, str(at), str(weights)], cwd=Path(__file__).parents[2])
    while not (at / "last.ckpt").exists() and child.poll() is None:
        time.sleep(0.02)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    np.testing.assert_allclose(integration_method(name, folder=at, **how).fit(batches(), rng=1), whole, atol=1e-5)
    with pytest.raises(InputValueError, match=r"ecs"):
        integration_method(name, folder=at, ecs=1.0, **how).fit(batches(), rng=1)
    with pytest.raises(InputValueError, match="cells"):
        integration_method(name, folder=at, **how).fit(batches(seed=1), rng=1)
