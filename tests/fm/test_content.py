"""What a server sends in place of a file."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from scgnn_tools.fm._content import fault


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, text in files.items():
            file.writestr(zipfile.ZipInfo(name), text)  # of a fixed date: the bytes are those of the name of a test
    return out.getvalue()


def array():
    out = io.BytesIO()
    np.save(out, np.arange(3))
    return out.getvalue()


TENSORS, NOISE = save({"a": np.ones(300, dtype=np.float32)}), np.random.default_rng(0).bytes(5000)
SOUND = [
    (".pt", zipped(a="x" * 5000)),
    (".pth", b"\x80\x02" + NOISE),
    (".ckpt", zipped(a="x")),
    (".bin", NOISE),
    (".safetensors", TENSORS),
    (".pkl", pickle.dumps({"a": 1})),
    (".json", b'{"a": 1}'),
    (".tsv", b"gene_name\tindex\nA\t0\n"),
    (".npy", array()),
    (".h5ad", b"\x89HDF\r\n\x1a\n" + NOISE),
]


@pytest.mark.parametrize(("suffix", "content"), SOUND)
def test_sound_files(tmp_path, suffix, content):
    (tmp_path / "x").write_bytes(content)
    assert fault(tmp_path / "x", suffix) is None


EXCUSES = [
    (b"", "nothing"),
    (b"\n <!DOCTYPE html><p>Sign in", "a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3000000\n", "Git LFS pointer"),
    (b'{"error": "rate limited"}', "JSON"),
    (b"Too many requests", "first bytes|text"),
]


@pytest.mark.parametrize(("content", "says"), EXCUSES)
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors", ".pkl", ".h5ad"])
def test_excuses(tmp_path, suffix, content, says):
    import re

    (tmp_path / "x").write_bytes(content)
    assert re.search(says, fault(tmp_path / "x", suffix))


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".pt", zipped(a="x" * 5000)[:-200]),
        (".pkl", pickle.dumps({"a": 1})[:-1]),
        (".safetensors", TENSORS[:-1]),
        (".safetensors", TENSORS + b"x"),
        (".safetensors", TENSORS[:6]),
        (".safetensors", (2**63).to_bytes(8, "little") + NOISE),
        (".json", b'{"a": 1'),
        (".json", json.dumps([1]).encode()),
    ],
)
def test_cut_off_or_too_long(tmp_path, suffix, content):
    (tmp_path / "x").write_bytes(content)
    assert fault(tmp_path / "x", suffix) is not None
