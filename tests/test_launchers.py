"""The recipes for clusters run as they are written, with stand-ins for what a test machine lacks."""

import os
import re
import subprocess
from pathlib import Path

import anndata as ad
import pytest

import scgnn_tools as sgt
from scgnn_tools.assets import immune_reference

PAGE = (Path(__file__).parents[1] / "docs/how-to/clusters.md").read_text(encoding="utf-8")
MODEL = '"scgpt", checkpoint="scGPT_human", '


def recipe(heading: str) -> str:
    """Return the code under a heading, at most twenty lines."""
    found = re.search(rf"^## {heading}.*?^```\w+\n(.*?)^```", PAGE, re.M | re.S)
    assert found, heading
    assert len(found[1].splitlines()) <= 20
    return found[1]


@pytest.fixture
def atlas(tmp_path, monkeypatch):
    cells = immune_reference()[::100].copy()
    cells.write_h5ad(tmp_path / "atlas.h5ad")
    monkeypatch.chdir(tmp_path)
    for module in ("data.expression", "store.cells"):
        monkeypatch.setattr(f"scgnn_tools.{module}.CHUNK", 8)
    return cells


def check(cells):
    store = ad.io.read_zarr("vectors.zarr")
    key = sgt.fm.best_bundled()
    assert "empty_cells" in store.uns["sgt"][key]  # it is finished
    assert store.obs_names.equals(cells.obs_names)


def run(code: str) -> None:
    assert MODEL in code
    exec(compile(code.replace(MODEL, ""), "recipe", "exec"), {"__name__": "recipe"})


def test_torchrun(atlas, monkeypatch):
    code = recipe("torchrun").replace("device=device, ", "")
    for rank in (1, 0):
        for name, value in (("RANK", rank), ("WORLD_SIZE", 2), ("LOCAL_RANK", rank)):
            monkeypatch.setenv(name, str(value))
        run(code)
    check(atlas)


def test_dask(atlas):
    pytest.importorskip("dask")
    code = recipe("dask").replace('scheduler="processes", num_workers=4', 'scheduler="synchronous"')
    run(code.replace("part(i, 16) for i in range(16)", "part(i, 3) for i in range(3)"))
    check(atlas)


def test_ray(atlas):
    pytest.importorskip("ray")
    run(recipe("Ray").replace("num_gpus=1, ", "num_cpus=1, ").replace("16", "2"))
    check(atlas)


@pytest.mark.skipif(os.name != "posix", reason="a shell script")
def test_slurm(tmp_path):
    """The arguments are those that the command takes."""
    stand_in = tmp_path / "sgt"
    stand_in.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    env |= {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "16"}
    done = subprocess.run(["bash", "-c", recipe("SLURM")], capture_output=True, text=True, check=True, env=env)
    from scgnn_tools.cli._main import parser

    args = parser().parse_args(done.stdout.split("\n")[:-1])
    assert (args.shard, args.store, str(args.input), args.model) == ((3, 16), "vectors.zarr", "atlas.h5ad", "scgpt")
