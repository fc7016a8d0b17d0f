"""A store on disks and servers that fail, and from files of both formats of zarr."""

import json
import logging
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
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
    sgt.tl.embed(cells, store=(tmp_path / "x ü.zarr").as_uri())
    assert bits(tmp_path / "x ü.zarr") == once


@pytest.mark.parametrize("store", [Path("s3://bucket/x.zarr"), "memory://"])
def test_an_address_that_is_none_makes_no_folder(cells, tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputValueError, match="is an address"):
        sgt.tl.embed(cells, store=store)
    assert not list(tmp_path.iterdir())


def test_a_store_within_a_collection_is_refused(cells, tmp_path):
    cells.write_zarr(tmp_path / "collection/dataset_0")
    with pytest.raises(InputValueError, match=r"lies within the cells of .*collection"):
        sgt.tl.embed(tmp_path / "collection", store=tmp_path / "collection/vectors")


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


NAMES = "obs/_index"
"""Where the names of the cells are: in an array, or since anndata 0.13 in a group of two."""

BESIDE = [
    NAMES,
    "obs/zarr.json",
    f"varm/{KEY}/c/0/0",
    f"obsm/X_{KEY}/zarr.json",
    f"uns/sgt/{KEY}/zarr.json",
    f"uns/sgt/{KEY}/inputs/zarr.json",
    f"uns/sgt/{KEY}/empty_cells/zarr.json",
]


def file_of_names(files):
    return next(name for name in files if name.startswith(NAMES) and name.endswith("/c/0"))


@pytest.mark.parametrize("damage", [cut, lambda file: file.unlink()], ids=["torn", "gone"])
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_torn_beside_the_chunks_is_written_again(cells, once, tmp_path, caplog, name, damage):
    damage(tmp_path / "once.zarr" / (file_of_names(once) if name == NAMES else name))
    caplog.set_level(logging.INFO, logger="scgnn_tools")
    sgt.tl.embed(cells, store=tmp_path / "once.zarr")
    assert bits(tmp_path / "once.zarr") == once
    assert "empty_cells" in name or "damaged beside the chunks, and written again: 1 file" in caplog.text


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (f"obsm/X_{KEY}", {"shape": [5, 128]}),
        (f"obsm/X_{KEY}", {"data_type": "float64"}),
        (f"uns/sgt/{KEY}/inputs", {"shape": [1, 32]}),
    ],
)
def test_a_description_of_another_array_is_written_again_before_any_chunk(
    cells, once, tmp_path, monkeypatch, name, other
):
    """Readable, and not what was written: chunks would be read and written as it says."""
    file = tmp_path / "once.zarr" / name / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | other))
    monkeypatch.setattr(CellStore, "put", None)
    sgt.tl.embed(cells, store=tmp_path / "once.zarr")
    assert bits(tmp_path / "once.zarr") == once


@pytest.mark.parametrize("other", [{"rest": None}, {"rest": [1]}, {"whole": [1]}, {"plan": "x"}])
def test_what_stands_beside_the_plan_is_of_its_kind(cells, once, tmp_path, other):
    file = tmp_path / "once.zarr" / "zarr.json"
    described = json.loads(file.read_text())
    described["attributes"]["sgt_store"] |= other
    file.write_text(json.dumps(described))
    with pytest.raises(InputValueError, match="no store of this package, or its zarr"):
        sgt.tl.embed(cells, store=tmp_path / "once.zarr")


@pytest.mark.skipif(pd.Index(["a"]).dtype != object, reason="pandas 3 holds no such name")
@pytest.mark.parametrize("names", ["obs_names", "var_names"])
def test_a_name_that_no_file_takes_is_named(cells, tmp_path, names):
    odd = cells[:3].copy()
    setattr(odd, names, ["half \ud800", *getattr(odd, names)[1:]])
    with pytest.raises(InputValueError, match=r"half .ud800'.*half of a character.*another name"):
        sgt.tl.embed(odd, store=tmp_path / "x.zarr")
    assert list(tmp_path.iterdir()) == []


def test_names_torn_at_an_address_are_written_again(cells, once, tmp_path):
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem()
    sgt.tl.embed(cells, store="memory://sgt-torn/x.zarr")
    name = file_of_names(once)
    memory.rm(f"/sgt-torn/x.zarr/{name}")
    sgt.tl.embed(cells, store="memory://sgt-torn/x.zarr")
    assert memory.cat_file(f"/sgt-torn/x.zarr/{name}") == once[name]


def test_what_else_is_at_an_address_stays(cells):
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem()
    memory.pipe_file("/sgt-atlas/x.zarr/X/c/0/0", b"counts")
    with pytest.raises(InputValueError, match="holds something else"):
        sgt.tl.embed(cells, store="memory://sgt-atlas/x.zarr")
    assert memory.cat_file("/sgt-atlas/x.zarr/X/c/0/0") == b"counts"


def test_the_note_of_the_smallest_batch_is_no_damage(cells, once, tmp_path, caplog):
    zarr = pytest.importorskip("zarr")
    zarr.open_group(tmp_path / "once.zarr", mode="r+")[f"uns/sgt/{KEY}"].attrs["halved_to"] = 128
    caplog.set_level(logging.INFO, logger="scgnn_tools")
    sgt.tl.embed(cells, store=tmp_path / "once.zarr")
    assert zarr.open_group(tmp_path / "once.zarr", mode="r")[f"uns/sgt/{KEY}"].attrs["halved_to"] == 128
    assert "damaged" not in caplog.text


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")
def test_a_store_that_was_consolidated_on_the_way_goes_on(cells, once, tmp_path):
    zarr = pytest.importorskip("zarr")
    sgt.tl.embed(cells, store=tmp_path / "x.zarr", shard=(0, 2))
    zarr.consolidate_metadata(tmp_path / "x.zarr")
    sgt.tl.embed(cells, store=tmp_path / "x.zarr")
    assert bits(tmp_path / "x.zarr") == once


def test_a_store_whose_plan_is_torn_is_refused(cells, once, tmp_path):
    cut(tmp_path / "once.zarr/zarr.json")
    with pytest.raises(InputValueError, match=r"no store of this package, or its zarr.json is damaged"):
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
