"""What the bytes of a downloaded file say about it, where no sha256 is known: a checkpoint, or a server's excuse."""

import json
import struct
import zipfile
from pathlib import Path

from scgnn_tools._log import printable

TORCH = (b"PK\x03\x04", b"\x80")
BEGINS = {
    ".pt": TORCH,
    ".pth": TORCH,
    ".ckpt": TORCH,
    ".pkl": (b"\x80", b"("),
    ".npy": (b"\x93NUMPY",),
    ".h5ad": (b"\x89HDF\r\n\x1a\n",),
}
TEXTS = (".json", ".tsv", ".csv", ".txt")
POINTER = b"version https://git-lfs.github.com"
SHORT = 1024
LARGEST_TEXT = 2**28


def fault(path: Path, suffix: str) -> str | None:
    """Say why a file is not what its name promises; None where nothing speaks against it.

    Parameters
    ----------
    path
        The file, under any name.
    suffix
        Ending of the name that it is to have.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(SHORT)
    if not size:
        return "it sent nothing"
    if begin.startswith(POINTER):
        return "it sent a Git LFS pointer, which stands for the file"
    text = begin.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<":
        lower = text.lower()
        return (
            "it sent a web page instead of the file"
            if lower.startswith((b"<!doctype html", b"<html"))
            else "it sent XML instead of the file"
        )
    if suffix == ".json":
        return _no_json(path, size)
    if text[:1] in (b"{", b"[") and size < 2**20 and _no_json(path, size, any_kind=True) is None:
        return f"it sent JSON instead of the file: {printable(text.decode('utf-8', 'replace'), limit=80)}"
    if suffix in BEGINS and not begin.startswith(BEGINS[suffix]):
        return f"its first bytes are not those of a {suffix} file"
    if size < SHORT and suffix not in TEXTS and all(32 <= b < 127 or b in b"\r\n\t" for b in begin):
        return f"it sent a text instead of the file: {printable(begin.decode(), limit=80)}"
    return _cut_off(path, suffix, begin, size)


def _no_json(path: Path, size: int, *, any_kind: bool = False) -> str | None:
    try:
        content = json.loads(path.read_bytes().decode("utf-8")) if size < LARGEST_TEXT else None
    except (ValueError, RecursionError):
        return "it is no JSON, or not all of it"
    return None if any_kind or isinstance(content, dict) else "it is no JSON object"


def _cut_off(path: Path, suffix: str, begin: bytes, size: int) -> str | None:
    """Say that a file ends too early or too late, for the formats that tell their length."""
    if begin.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        return "its end is missing"
    if suffix == ".pkl":
        with path.open("rb") as file:
            file.seek(-1, 2)
            return None if file.read(1) == b"." else "its end is missing"
    if suffix == ".safetensors":
        length = struct.unpack("<Q", begin[:8])[0] if size >= 8 else 0
        if not 2 <= length <= min(size - 8, 100_000_000):
            return "its first bytes are not those of a .safetensors file"
        with path.open("rb") as file:
            file.seek(8)
            header = file.read(length)
        try:
            ends = [v["data_offsets"][1] for k, v in json.loads(header).items() if k != "__metadata__"]
            whole = 8 + length + max(ends, default=0)
        except (ValueError, RecursionError, TypeError, KeyError, IndexError, AttributeError):
            return "its header is not that of a .safetensors file"
        return None if whole == size else f"it has {size:,} bytes, and its header speaks of {whole:,}"
    return None
