"""The recipes for clusters run as they are written, with stand-ins for what a test machine lacks."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools.assets import immune_reference
from scgnn_tools.graph import open_graph, to_pyg, write_graph
from scgnn_tools.train.corpus import find_files

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
    exec(compile(code.replace(MODEL, ""), "recipe", "exec"), {"__name__": "__main__"})


def alone(code: str) -> None:
    """Run a recipe in a process of its own: its libraries warn of themselves, and warnings are errors here."""
    _alone("-c", code)


def alone_in_a_file(code: str) -> None:
    """Run a recipe as the script that it is: processes that it starts read the file."""
    Path("recipe.py").write_text(code, encoding="utf-8")
    _alone("recipe.py")


def _alone(*words: str) -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


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


@pytest.mark.slow
def test_dask_in_processes(atlas):
    """Each process reads the script anew, as it does for whoever follows the recipe."""
    pytest.importorskip("dask")
    alone_in_a_file(recipe("dask").replace(MODEL, "").replace("16", "2").replace("num_workers=4", "num_workers=2"))
    check(atlas)


@pytest.mark.slow
def test_dask_on_a_cluster(atlas):
    pytest.importorskip("distributed")
    code = recipe("dask").replace(MODEL, "").replace(', scheduler="processes", num_workers=4', "").replace("16", "2")
    code = code.replace("dask.compute", "client = Client(LocalCluster(2, threads_per_worker=1)); dask.compute")
    alone_in_a_file("from distributed import Client, LocalCluster\n" + code)
    check(atlas)


def test_a_step_of_a_dask_pipeline(atlas):
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    code, there = recipe("A step of a dask pipeline").replace("8192", "8"), {"__name__": "recipe"}
    exec(compile(code, "recipe", "exec"), there)
    vectors = there["vectors"]
    assert vectors.numblocks == (-(-atlas.n_obs // 8), 1)
    wanted = sgt.fm.load("cgc-mini").embed_cells(atlas)
    np.testing.assert_allclose(vectors.compute(scheduler="synchronous"), wanted, atol=1e-6)


@pytest.mark.slow
def test_ray(atlas):
    pytest.importorskip("ray")
    code = recipe("Ray").replace('"scgpt", checkpoint="scGPT_human"', f'"{sgt.fm.best_bundled()}"')
    alone(code.replace("num_gpus=1", "num_cpus=1").replace("16", "2").replace("size=4", "size=1"))
    check(atlas)


@pytest.mark.slow
def test_annbatch(atlas):
    pytest.importorskip("annbatch")
    for name, half in (("a", atlas[::2]), ("b", atlas[1::2])):
        half.copy().write_h5ad(f"{name}.h5ad")
    alone(recipe("annbatch"))
    assert set(ad.io.read_zarr("vectors.zarr").obs_names) == set(atlas.obs_names)


@pytest.mark.slow
def test_a_collection(atlas, tmp_path):
    """Without annbatch: a zarr group of groups, in the order of their numbers."""
    pytest.importorskip("dask")
    bounds = [0, 10, 24, 25, *range(26, 33), atlas.n_obs]
    for i, (start, stop) in enumerate(pairwise(bounds)):
        atlas[start:stop].copy().write_zarr(tmp_path / f"collection.zarr/dataset_{i}")
    sgt.tl.embed("collection.zarr", store="vectors.zarr")
    check(atlas)
    sgt.tl.embed(atlas, store="whole.zarr")
    key = f"X_{sgt.fm.best_bundled()}"
    assert np.array_equal(ad.io.read_zarr("vectors.zarr").obsm[key], ad.io.read_zarr("whole.zarr").obsm[key])
    assert [p.name for p in find_files(["collection.zarr"])] == [f"dataset_{i}" for i in range(len(bounds) - 1)]
    atlas[:5, 3:].copy().write_zarr(tmp_path / "collection.zarr/dataset_99")
    with pytest.raises(InputValueError, match="other genes"):
        sgt.tl.embed("collection.zarr", store="more.zarr")


def test_graphs_of_rapids_singlecell(atlas):
    """A matrix of cupy is known by its module, and comes home."""

    class Csr(sp.csr_matrix):
        def get(self):
            home.append(self.shape)
            return sp.csr_matrix((self.data, self.indices, self.indptr), shape=self.shape)

    home, n = [], atlas.n_obs
    Csr.__module__ = "cupyx.scipy.sparse._csr"
    graph = sp.random_array((n, n), density=0.1, format="csr", rng=np.random.default_rng(0), dtype=np.float32)
    code = recipe("rapids-singlecell")
    neighbors = SimpleNamespace(neighbors=lambda adata, use_rep: adata.obsp.update(connectivities=graph))
    there = {"adata": atlas, "rsc": SimpleNamespace(pp=neighbors)}
    exec(compile(code.replace("import rapids_singlecell as rsc", ""), "recipe", "exec"), there)
    assert there["data"].edge_weight.shape[0] == graph.nnz
    on_gpu = SimpleNamespace(obsp={"connectivities": Csr(graph)}, n_obs=n)
    assert to_pyg.__wrapped__(on_gpu, obsp="connectivities").edge_index.shape[1] == graph.nnz
    write_graph("graph", Csr(graph))
    assert open_graph("graph").num_nodes == n
    assert home == [(n, n)] * 2
    graph.data[3] = np.nan
    with pytest.raises(GraphError, match="not finite"):
        to_pyg.__wrapped__(on_gpu, obsp="connectivities")


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
