"""The options that the benchmarks of scale pass are options of the calls; the peers and the threads are named."""

import inspect

import anndata as ad
import pytest
from benchmarks import scale, threads

import scgnn_tools as sgt


@pytest.mark.parametrize("job", [j for j, f in scale.JOBS.items() if "name" in f.__code__.co_freevars])
def test_the_options_of_a_job_are_those_of_the_call(job):
    closed = inspect.getclosurevars(scale.JOBS[job]).nonlocals
    known = inspect.signature(getattr(sgt.tl, closed["name"])).parameters
    assert set(closed["options"]) <= set(known), job


def test_cells_have_labels_a_fifth_of_them_known(test_data, tmp_path):
    scale.make(test_data, tmp_path / "a.h5ad", 3000)
    cells = ad.read_h5ad(tmp_path / "a.h5ad")
    assert cells.shape == (3000, 13714)
    assert 0.15 < (cells.obs["partly"] != "Unknown").mean() < 0.25
    assert cells.obs["batch"].nunique() == 2


@pytest.mark.slow
def test_a_job_that_fails_or_takes_too_long_is_a_row(tmp_path):
    row = scale.row("embed", tmp_path / "no.h5ad", 7, minutes=1, threads=1)
    assert row["note"].startswith("ended with 1: FileNotFoundError")
    assert scale.row("embed", tmp_path / "no.h5ad", 7, minutes=0.0001, threads=1)["note"].startswith("not done in")


def test_the_calls_that_threads_are_timed_on_are_there():
    assert set(threads.calls()) == {"embed", "annotate", "infer_grn", "train"}
