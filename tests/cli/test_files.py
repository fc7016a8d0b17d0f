import os

import anndata as ad
import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools._write import write_whole
from scgnn_tools.cli._files import check_output, read


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
