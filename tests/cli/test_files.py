import os
import shutil

import anndata as ad
import h5py
import numpy as np
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools._write import write_whole
from scgnn_tools.cli import main
from scgnn_tools.cli._files import check_distinct, check_export, check_output, check_space, read, size_of


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.h5ad"
    ad.AnnData(np.eye(3, dtype="float32")).write_h5ad(path)
    return path


def test_read_h5ad_and_zarr(small, tmp_path):
    adata = read(small)
    assert adata.shape == (3, 3)
    adata.write_zarr(tmp_path / "small.zarr")
    assert read(tmp_path / "small.zarr").shape == (3, 3)


@pytest.mark.parametrize("kind", ["missing", "truncated", "text", "folder", "gzip"])
def test_what_cannot_be_read_is_an_error_with_the_path(small, tmp_path, kind):
    path = tmp_path / "bad.h5ad"
    if kind == "truncated":
        path.write_bytes(small.read_bytes()[: small.stat().st_size // 2])
    elif kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "folder":
        path.mkdir()
    elif kind == "gzip":
        import gzip

        path.write_bytes(gzip.compress(small.read_bytes()))
    with pytest.raises(InputValueError, match=r"bad\.h5ad"):
        read(path)


def test_an_output_that_exists_is_kept(small):
    before = small.read_bytes()
    with pytest.raises(InputValueError, match=r"exists\. Pass --overwrite"):
        check_output(small, overwrite=False)
    check_output(small, overwrite=True)
    assert small.read_bytes() == before


def test_an_output_without_a_folder_or_with_an_unknown_ending(tmp_path):
    with pytest.raises(InputValueError, match="missing or cannot be written"):
        check_output(tmp_path / "nowhere" / "a.h5ad", overwrite=False)
    with pytest.raises(InputValueError, match=r"\.h5ad or \.csv"):
        check_output(tmp_path / "a.xlsx", overwrite=False)
    with pytest.raises(InputValueError, match=r"\.h5ad or \.csv; got"):
        check_output(tmp_path / "A.H5AD", overwrite=False)  # which scanpy would not read
    check_output(tmp_path / "A.CSV", overwrite=False)
    check_export(tmp_path / "A.HTML", overwrite=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputValueError, match="cannot be written"):
        check_output(tmp_path / "a.h5ad", overwrite=False)


def test_a_failed_write_leaves_the_old_file_and_no_rest(small):
    before = small.read_bytes()

    def half(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(small, half)
    assert small.read_bytes() == before
    assert [p.name for p in small.parent.iterdir()] == ["small.h5ad"]


def test_write_replaces(small):
    write_whole(small, lambda part: part.write_text("new"))
    assert small.read_text() == "new"


def test_a_damaged_matrix_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "bad.h5ad"
    ad.AnnData(sp.csr_matrix(np.eye(9, dtype="float32"))).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][::2] = 1_000_000
    with pytest.raises(InputValueError, match=r"bad\.h5ad cannot be read .*X is a damaged sparse matrix"):
        read(path)


def test_the_space_is_looked_at_first(small, monkeypatch):
    adata = read(small)
    size = size_of(adata)
    assert small.stat().st_size < size < 10 * small.stat().st_size
    check_space(small, adata)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(size, 1, size - 1))
    with pytest.raises(InputValueError, match=r"needs up to 0\.1 MB, .* MB left"):
        check_space(small, adata)


def test_a_full_disk_is_a_line_and_leaves_nothing(small, tmp_path, capsys, monkeypatch):
    def full(adata, path):
        path.write_bytes(b"half")
        raise OSError(28, "Can't close file (" + "file write failed, " * 100)

    monkeypatch.setattr(sgt.tl, "embed", lambda adata, **given: None)
    monkeypatch.setattr(ad.AnnData, "write_h5ad", full)
    assert main(["embed", str(small), "--output", str(tmp_path / "out.h5ad")]) == 1
    assert capsys.readouterr().err == "sgt: No space left on device: nothing was written\n"
    assert [p.name for p in tmp_path.iterdir()] == ["small.h5ad"]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_an_output_that_is_a_link(small, tmp_path, monkeypatch):
    monkeypatch.setattr(sgt.tl, "embed", lambda adata, **given: None)
    target, link = tmp_path / "target.h5ad", tmp_path / "link.h5ad"
    target.write_text("old")
    link.symlink_to(target)
    assert main(["embed", str(small), "--output", str(link)]) == 1
    assert main(["embed", str(small), "--output", str(link), "--overwrite"]) == 0
    assert link.is_symlink()
    assert read(target).shape == (3, 3)
    (tmp_path / "dangling.h5ad").symlink_to(tmp_path / "nowhere" / "x.h5ad")
    assert main(["embed", str(small), "--output", str(tmp_path / "dangling.h5ad")]) == 1
    (tmp_path / "folder.h5ad").mkdir()
    assert main(["embed", str(small), "--output", str(tmp_path / "folder.h5ad"), "--overwrite"]) == 1


def test_two_outputs_of_one_name(tmp_path):
    check_distinct([tmp_path / "a.csv", tmp_path / "b.csv"])
    with pytest.raises(InputValueError, match="given twice"):
        check_distinct([tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "a.csv"])
