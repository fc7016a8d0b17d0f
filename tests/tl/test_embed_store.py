"""One store, made by any number of workers that stop at any time, has the bits of one run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from tests._threads import errors_of_two

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, SgtWarning
from scgnn_tools.assets import immune_reference
from scgnn_tools.cli import main
from scgnn_tools.store import CellStore, shard_of

KEY = sgt.fm.best_bundled()
CHUNK = 16


@pytest.fixture(scope="module")
def cells():
    cells = immune_reference()[::40].copy()
    return ad.AnnData(cells.X, obs=cells.obs[[]], var=cells.var[[]])


@pytest.fixture(scope="module")
def file(cells, tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    cells.write_h5ad(path)
    return path


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    for module in ("data.expression", "store.cells"):
        monkeypatch.setattr(f"scgnn_tools.{module}.CHUNK", CHUNK)
    yield
    sgt.settings.verbose = True


@pytest.fixture(scope="module")
def once(file, tmp_path_factory):
    """The store of one run."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("data.expression", "store.cells"):
            patch.setattr(f"scgnn_tools.{module}.CHUNK", CHUNK)
        path = tmp_path_factory.mktemp("once") / "x.zarr"
        sgt.tl.embed(file, store=path)
    return path


@pytest.fixture
def copied(once, tmp_path):
    return shutil.copytree(once, tmp_path / "copy.zarr")


@pytest.fixture
def made(monkeypatch):
    """The chunks that are made from now on."""
    chunks, put = [], CellStore.put

    def noted(self, chunk, *args):
        chunks.append(chunk)
        put(self, chunk, *args)

    monkeypatch.setattr(CellStore, "put", noted)
    return chunks


def bits(store):
    """Every file of a store but the group's own words."""
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def chunk_file(store, chunk):
    return store / "obsm" / f"X_{KEY}" / "c" / str(chunk) / "0"


def test_it_opens_as_an_anndata_with_what_embed_writes(once, cells):
    got, wanted = ad.io.read_zarr(once), sgt.tl.embed(cells, copy=True)
    assert np.array_equal(got.obsm[f"X_{KEY}"], wanted.obsm[f"X_{KEY}"])
    assert np.array_equal(got.varm[KEY], wanted.varm[KEY], equal_nan=True)
    assert got.obs_names.equals(cells.obs_names)
    assert got.var_names.equals(cells.var_names)
    mine, theirs = got.uns["sgt"][KEY], wanted.uns["sgt"][KEY]
    assert set(mine) - set(theirs) == {"inputs", "outputs"}
    assert dict(mine["params"]) == theirs["params"]
    assert len(mine["empty_cells"]) == 0
    assert got.obsm[f"X_{KEY}"].dtype == np.float32


@pytest.mark.parametrize("n", [2, 3, 7])
def test_any_number_of_shards_in_any_order_gives_the_same_bits(file, once, tmp_path, n):
    for i in reversed(range(n)):
        sgt.tl.embed(file, store=tmp_path / "x.zarr", shard=(i, n))
    assert bits(tmp_path / "x.zarr") == bits(once)


def test_shards_are_neighbours_and_take_every_chunk_once():
    for n_chunks in (1, 5, 12, 13):
        for n in (1, 2, 3, 7, 20):
            parts = [shard_of(n_chunks, (i, n)) for i in range(n)]
            assert [c for part in parts for c in part] == list(range(n_chunks))
            assert all(a.stop == b.start for a, b in pairwise(parts))


@pytest.mark.parametrize("form", ["memory", "zarr", "backed", "dask", "lazy"])
def test_every_form_of_the_input_gives_the_same_bits(cells, file, once, tmp_path, form):
    pytest.importorskip({"dask": "dask.array", "lazy": "xarray"}.get(form, "zarr"))
    path = tmp_path / "cells.zarr"
    cells.write_zarr(path)
    given = {
        "memory": lambda: cells,
        "zarr": lambda: str(path),
        "backed": lambda: ad.read_h5ad(file, backed="r"),
        "dask": lambda: dask_backed(cells),
        "lazy": lambda: ad.experimental.read_lazy(path),
    }[form]()
    before = given.copy() if form == "memory" else None
    sgt.tl.embed(given, store=tmp_path / "x.zarr")
    assert bits(tmp_path / "x.zarr") == bits(once)
    if before is not None:
        assert set(given.obsm) == set(given.uns) == set()


def dask_backed(cells):
    import dask.array as da

    x = da.from_array(cells.X.toarray(), chunks=(13, -1)).map_blocks(sp.csr_matrix)
    return ad.AnnData(x, obs=cells.obs, var=cells.var)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_a_damaged_chunk_is_made_again_alone(file, once, copied, made, damage):
    path = chunk_file(copied, 2)
    content = path.read_bytes()
    changed = {"cut": content[:-100], "flip": content[:9] + bytes([content[9] ^ 1]) + content[10:], "empty": b""}
    path.unlink() if damage == "gone" else path.write_bytes(changed[damage])
    sgt.tl.embed(file, store=copied)
    assert made == [2]
    assert bits(copied) == bits(once)


def test_what_is_done_is_not_made_again_unless_asked(file, once, copied, made):
    sgt.tl.embed(file, store=copied)
    assert made == []
    sgt.tl.embed(file, store=copied, shard=(0, 4), resume=False)
    assert made == list(shard_of(-(-ad.read_h5ad(file).n_obs // CHUNK), (0, 4)))
    assert bits(copied) == bits(once)


@pytest.mark.filterwarnings(  # two threads share what is ignored
    "ignore:zarr v3 autosharding", "ignore::zarr.errors.ZarrUserWarning"
)
def test_two_writers_at_once(file, once, tmp_path):
    assert errors_of_two(lambda: sgt.tl.embed(file, store=tmp_path / "x.zarr")) == []
    assert bits(tmp_path / "x.zarr") == bits(once)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "corpus-svd"}, r"weights.*model \(cgc-mini there, corpus-svd here\)"),
        ({"organism": "mouse"}, "organism"),
        ({"genes": False}, r"genes \(static there, False here\)"),
        ({"key_added": "other"}, r"key_added \(cgc-mini there, other here\)"),
        ({"layer": "raw"}, "matrix"),
    ],
)
def test_another_plan_is_refused_with_the_part_that_differs(cells, once, copied, options, says):
    given = cells.copy()
    given.raw = given
    with pytest.raises(InputValueError, match=f"holds another run, which differs in .*{says}"):
        sgt.tl.embed(given, store=copied, **options)
    assert bits(copied) == bits(once)


def test_an_input_that_changed_is_refused(cells, once, copied):
    more = ad.concat([cells, cells], index_unique="-")
    for changed, says in ((more, "number of cells"), (cells[::-1], "counts"), (cells[:, 5:], "names of the genes")):
        with pytest.raises(InputValueError, match=says):
            sgt.tl.embed(changed.copy(), store=copied)
    names = cells.copy()
    names.obs_names = [f"c{i}" for i in range(cells.n_obs)]
    with pytest.raises(InputValueError, match=r"differs in names of the cells\."):
        sgt.tl.embed(names, store=copied)
    assert bits(copied) == bits(once)


def test_a_count_that_no_sample_sees_is_seen_when_its_chunk_is_looked_at(cells, copied, monkeypatch):
    monkeypatch.setattr("scgnn_tools.data.rows.SAMPLED_ROWS", 12)
    few = sgt.tl.embed(cells, store=copied.parent / "y.zarr")
    assert few is None
    changed = cells.copy()
    changed.X[20, changed.X[20].indices[0]] += 1
    with pytest.raises(InputValueError, match=r"Cells 16 to 31 are not those .* the input has changed"):
        sgt.tl.embed(changed, store=copied.parent / "y.zarr")


@pytest.mark.parametrize("shard", [(4, 4), (-1, 4), (0, 0), 3, (0.5, 2), "0/4", (True, 2)])
def test_a_shard_out_of_range(cells, tmp_path, shard):
    with pytest.raises(InputValueError, match=r"shard is a pair \(i, n\), part i of n, counted from 0"):
        sgt.tl.embed(cells, store=tmp_path / "x.zarr", shard=shard)
    assert not (tmp_path / "x.zarr").exists()


def test_what_does_not_go_together_is_said_before_any_work(cells, file, tmp_path):
    for options, says in (
        ({"shard": (0, 2)}, "pass store="),
        ({"store": tmp_path / "x.zarr", "genes": "context"}, "genes='context' does not go with store="),
        ({"store": tmp_path / "x.zarr", "adapt": True}, "adapt=True does not go with store="),
        ({"store": tmp_path / "x.zarr", "copy": True}, "copy=True does not go with store="),
        ({"store": tmp_path / "x.zarr", "rng": np.random.default_rng(0)}, "cannot be split among chunks"),
    ):
        with pytest.raises(InputValueError, match=says):
            sgt.tl.embed(cells, **options)
    with pytest.raises(TypeError, match="a path"):
        sgt.tl.embed(file)
    assert not (tmp_path / "x.zarr").exists()


def test_folders_of_something_else(cells, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "a.docx").touch()
    cells[:3].copy().write_zarr(tmp_path / "mine.zarr")
    for where in (tmp_path / "thesis", tmp_path / "thesis" / "a.docx", tmp_path / "mine.zarr"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputValueError, match="exists and is no store of this package"):
            sgt.tl.embed(cells, store=where)
        assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    sgt.tl.embed(cells[:3].copy(), store=tmp_path / "empty")
    assert ad.io.read_zarr(tmp_path / "empty").n_obs == 3


def test_paths_that_are_no_cells(tmp_path):
    (tmp_path / "a.h5ad").write_bytes(b"no")
    (tmp_path / "empty.zarr").mkdir()
    for path, says in (("no.h5ad", "There is no file"), ("a.h5ad", "cannot be read as .h5ad"), ("empty.zarr", "zarr")):
        with pytest.raises(InputValueError, match=says):
            sgt.tl.embed(tmp_path / path, store=tmp_path / "x.zarr")
    assert not (tmp_path / "x.zarr").exists()


def test_no_cells(cells, tmp_path):
    with pytest.raises(InputValueError, match="holds no cells"):
        sgt.tl.embed(cells[:0].copy(), store=tmp_path / "x.zarr")
    assert not (tmp_path / "x.zarr").exists()


def test_a_disk_that_takes_nothing(cells, copied, once, monkeypatch):
    if sys.platform == "linux":
        with pytest.raises(InputValueError, match="cannot be written"):
            sgt.tl.embed(cells, store="/proc/x.zarr")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    chunk_file(copied, 2).unlink()
    monkeypatch.setattr("zarr.storage._local._put", full)
    with pytest.raises(InputValueError, match=r"cannot be written: No space left.*call again"):
        sgt.tl.embed(cells, store=copied)
    monkeypatch.undo()
    for module in ("data.expression", "store.cells"):
        monkeypatch.setattr(f"scgnn_tools.{module}.CHUNK", CHUNK)
    sgt.tl.embed(cells, store=copied)
    assert bits(copied) == bits(once)


def test_cells_without_a_known_gene_are_listed(cells, tmp_path):
    x = cells.X[:40].tolil()
    x[20] = 0
    with pytest.warns(SgtWarning, match="1 of 40 cells express no gene"):
        sgt.tl.embed(ad.AnnData(sp.csr_matrix(x), var=cells.var), store=tmp_path / "x.zarr")
    assert ad.io.read_zarr(tmp_path / "x.zarr").uns["sgt"][KEY]["empty_cells"].tolist() == [20]


def test_a_batch_that_was_halved_is_noted_and_gives_the_same_vectors(file, once, tmp_path, monkeypatch):
    model = sgt.fm.load(KEY)
    real, most = type(model).cell_vectors, model.max_tokens

    def small(self, tokens):
        if len(tokens.ids) > 4000:
            raise MemoryError
        return real(self, tokens)

    monkeypatch.setattr(type(model), "cell_vectors", small)
    sgt.tl.embed(file, model=model, store=tmp_path / "x.zarr", shard=(0, 2))
    sgt.tl.embed(file, model=sgt.fm.load(KEY), store=tmp_path / "x.zarr", shard=(1, 2))
    import zarr

    noted = zarr.open_group(tmp_path / "x.zarr", mode="r")[f"uns/sgt/{KEY}"].attrs["halved_to"]
    assert noted == model.max_tokens < most
    got, wanted = ad.io.read_zarr(tmp_path / "x.zarr"), ad.io.read_zarr(once)
    assert np.array_equal(got.obsm[f"X_{KEY}"], wanted.obsm[f"X_{KEY}"])
    assert "halved_to" not in zarr.open_group(once, mode="r")[f"uns/sgt/{KEY}"].attrs


def test_an_address_of_fsspec(cells, once):
    pytest.importorskip("fsspec")
    sgt.tl.embed(cells, store="memory://sgt-test/x.zarr", shard=(0, 2))
    sgt.tl.embed(cells, store="memory://sgt-test/x.zarr", shard=(1, 2))
    import zarr

    got = zarr.open_group("memory://sgt-test/x.zarr", mode="r")["obsm"][f"X_{KEY}"][:]
    assert np.array_equal(got, ad.io.read_zarr(once).obsm[f"X_{KEY}"])


def test_the_command(file, once, tmp_path, capsys):
    store = tmp_path / "x.zarr"
    for i in range(2):
        assert main(["--quiet", "embed", str(file), "--store", str(store), "--shard", f"{i}/2"]) == 0
    assert bits(store) == bits(once)
    assert main(["embed", str(file), "--store", str(store), "--shard", "2/2"]) == 1
    assert "shard is a pair (i, n)" in capsys.readouterr().err
    for words, says in (
        (["--store", str(store), "--output", "a.h5ad"], "not both"),
        ([], "--output or --store"),
        (["--store", str(store), "--overwrite"], "--overwrite goes with --output"),
        (["--output", str(tmp_path / "a.h5ad"), "--shard", "0/2"], "--shard goes with --store"),
    ):
        assert main(["embed", str(file), *words]) == 1
        assert says in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["embed", str(file), "--store", str(store), "--shard", "x"])
    assert "as in 0/16 to 15/16; got 'x'" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_that_stand_for_devices_make_the_chunks_that_one_would(file, once, tmp_path, monkeypatch):
    from scgnn_tools.cli import _workers

    entry = f"from scgnn_tools.data import expression; from scgnn_tools.store import cells; expression.CHUNK = cells.CHUNK = {CHUNK}; "
    monkeypatch.setattr(_workers, "ENTRY", entry + _workers.ENTRY)
    monkeypatch.setattr(_workers, "_gpus", lambda: 0)
    assert main(["--quiet", "embed", str(file), "--store", str(tmp_path / "x.zarr"), "--devices", "2"]) == 0
    assert bits(tmp_path / "x.zarr") == bits(once)


def test_a_process_a_device(file, once, tmp_path, capfd):
    """Each is told its part, which makes that part of the store; one that fails ends the others."""
    from scgnn_tools.cli import _workers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_workers, "_gpus", lambda: 0)
        words = ["--quiet", "embed", str(file), "--store", str(tmp_path / "x.zarr")]
        told = f"import pathlib, sys; pathlib.Path({str(tmp_path)!r}, sys.argv[-1][0]).write_text('\\n'.join(sys.argv[1:]))"
        patch.setattr(_workers, "ENTRY", told)
        assert main([*words, "--devices", "2"]) == 0
        for i in ("0", "1"):  # as each would be called
            own = (tmp_path / i).read_text().split("\n")
            assert own[-4:] == ["--devices", "1", "--shard", f"{i}/2"]
            assert main(own) == 0
        assert bits(tmp_path / "x.zarr") == bits(once)
        patch.setattr(_workers, "ENTRY", "import sys, time; sys.exit(3) if '1/2' in sys.argv else time.sleep(60)")
        begun = time.monotonic()
        assert main([*words, "--devices", "2"]) == 1
        assert time.monotonic() - begun < 30
        assert "The process of part 1/2 ended with 3; the others were ended" in capfd.readouterr().err
        patch.setattr(_workers, "_gpus", lambda: 1)
        assert main([*words, "--devices", "2"]) == 1
        assert "there are 1 GPUs here" in capfd.readouterr().err
    assert main(["embed", str(file), "--output", str(tmp_path / "a.h5ad"), "--devices", "2"]) == 1
    assert "goes with --store" in capfd.readouterr().err


WORK = f"""
import sys
from scgnn_tools.data import expression
from scgnn_tools.store import cells
expression.CHUNK = cells.CHUNK = {CHUNK}
import scgnn_tools as sgt
print("ready", flush=True)
sgt.tl.embed(sys.argv[1], store=sys.argv[2])
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_at_any_time_goes_on(file, once, tmp_path, made):
    """Six rounds of kills, at times that the seed draws; nothing that was finished is made again."""
    rng = np.random.default_rng(0)
    for round_ in range(6):
        store = tmp_path / f"{round_}.zarr"
        for _ in range(3):
            command = [sys.executable, "-W", "ignore", "-c", WORK, str(file), str(store)]
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ})
            worker.stdout.readline()
            time.sleep(float(rng.uniform(0, 0.6)))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
        done = len(list((store / "uns/sgt" / KEY / "inputs/c").glob("*"))) if store.exists() else 0
        made.clear()
        sgt.tl.embed(file, store=store)
        assert len(made) <= -(-ad.read_h5ad(file).n_obs // CHUNK) - done + 1
        left = {k: v for k, v in bits(store).items() if ".partial" not in k}
        assert left == bits(once)
