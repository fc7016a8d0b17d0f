"""A store on disks and servers that fail, and from files of both formats of zarr."""

import sys

import anndata as ad
import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools.assets import immune_reference
from scgnn_tools.store import CellStore

KEY, CHUNK = sgt.fm.best_bundled(), 16


@pytest.fixture(scope="module")
def cells():
    cells = immune_reference()[::60].copy()
    return ad.AnnData(cells.X, obs=cells.obs[[]], var=cells.var[[]])


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    for module in ("data.expression", "store.cells"):
        monkeypatch.setattr(f"scgnn_tools.{module}.CHUNK", CHUNK)


@pytest.fixture
def once(cells, tmp_path):
    """The files of one undisturbed run."""
    sgt.tl.embed(cells, store=tmp_path / "once.zarr")
    return bits(tmp_path / "once.zarr")


def bits(store):
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("s3x://bucket/x.zarr", "unknown kind.*s3x"),
        ("~nobody-of-this-name/x.zarr", "cannot be looked up.*home"),
        ("x" * 5000, "cannot be looked up.*too long"),
        ("cells.zarr/obsm/x.zarr", "lies within the cells of"),
    ],
)
def test_a_place_that_is_none_is_refused(cells, tmp_path, monkeypatch, store, says):
    monkeypatch.chdir(tmp_path)
    cells.write_zarr("cells.zarr")
    with pytest.raises(InputValueError, match=says):
        sgt.tl.embed(cells, store=store)


def test_an_address_that_wants_another_package(cells, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"not installed.*s3fs"):
        sgt.tl.embed(cells, store="s3://bucket/x.zarr")


def test_a_file_address_is_a_path(cells, once, tmp_path):
    sgt.tl.embed(cells, store=(tmp_path / "x.zarr").as_uri())
    assert bits(tmp_path / "x.zarr") == once


def test_a_damaged_store_is_refused_in_words(cells, once, tmp_path):
    array = tmp_path / "once.zarr/obsm" / f"X_{KEY}" / "zarr.json"
    array.write_text(array.read_text()[:200])
    with pytest.raises(InputValueError, match=r"is damaged.*Remove it"):
        sgt.tl.embed(cells, store=tmp_path / "once.zarr")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_file_that_may_not_grow_is_a_full_disk_and_the_run_goes_on(cells, once, tmp_path, monkeypatch):
    import resource

    store, put = tmp_path / "x.zarr", CellStore.put

    def full(self, chunk, *given):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000 if chunk > 1 else before[0], before[1]))
        try:
            put(self, chunk, *given)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    monkeypatch.setattr(CellStore, "put", full)
    with pytest.raises(InputValueError, match=r"cannot be written: File too large.*call again"):
        sgt.tl.embed(cells, store=store)
    assert len(list((store / "uns/sgt" / KEY / "inputs/c").glob("*"))) == 2
    monkeypatch.setattr(CellStore, "put", put)
    sgt.tl.embed(cells, store=store)
    assert {k: v for k, v in bits(store).items() if ".partial" not in k} == once


@pytest.mark.parametrize("kind", ["write", "read"])
def test_a_server_that_fails_now_and_then(cells, once, tmp_path, monkeypatch, kind):
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    zarr = pytest.importorskip("zarr")
    address, name = f"memory://sgt-{kind}/x.zarr", {"write": "pipe_file", "read": "cat_file"}[kind]
    sgt.tl.embed(cells, store=address, shard=(0, 2))
    real, calls = getattr(memory, name), [0]

    def fails(self, path, *given, **how):
        calls[0] += f"X_{KEY}/c/" in str(path)
        if f"X_{KEY}/c/" in str(path) and calls[0] in (2, 5):
            msg = "503 Slow Down"
            raise OSError(msg)
        return real(self, path, *given, **how)

    monkeypatch.setattr(memory, name, fails)
    said = []
    for _ in range(60):
        try:
            sgt.tl.embed(cells, store=address)
            break
        except InputValueError as error:
            said.append(str(error))
    assert 0 < len(said) < 60
    assert all("503 Slow Down" in s and "call again" in s for s in said)
    monkeypatch.setattr(memory, name, real)
    got = zarr.open_group(address, mode="r")
    wanted = ad.io.read_zarr(tmp_path / "once.zarr")
    assert np.array_equal(got["obsm"][f"X_{KEY}"][:], wanted.obsm[f"X_{KEY}"])
    assert got.attrs["sgt_store"]["finished"]


@pytest.mark.filterwarnings(
    "ignore:zarr v3 autosharding", "ignore::zarr.errors.ZarrUserWarning"
)  # of what is to come in them
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_cells_of_both_formats_of_zarr(cells, once, tmp_path, zarr_format):
    zarr = pytest.importorskip("zarr")
    ad.io.write_elem(zarr.open_group(tmp_path / "cells.zarr", mode="w", zarr_format=zarr_format), "/", cells)
    sgt.tl.embed(tmp_path / "cells.zarr", store=tmp_path / "x.zarr")
    assert bits(tmp_path / "x.zarr") == once
