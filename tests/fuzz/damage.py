"""Damage to files, as JSON: what hypothesis draws can be printed, shortened and done again."""

import contextlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import h5py
from hypothesis import strategies as st

Edit = list[Any]
"""What is done, the number of the file that it is done to, and its arguments."""

AT = st.integers(0, 2**24)
"""A place, taken modulo what there is."""
NUMBERS = [0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, 10**9, 127, 65_535]
WORDS = [
    "-1",
    "0",
    "1e999",
    "NaN",
    "1000000000",
    "99999999999999999999",
    "1.5",
    "null",
    "true",
    "[]",
    "{}",
    "[[]]",
    ",",
    "\t",
]
WORDS += ['"x"', '""', "\\ud800"]
TOKEN = re.compile(rb'-?\d+(\.\d+)?([eE][-+]?\d+)?|"[^"\n]*"|true|false|null|[^\s,;{}\[\]:]+')

RAW = [
    st.tuples(st.just("flip"), AT, AT, st.integers(0, 7)),
    st.tuples(st.just("cut"), AT, AT),
    st.tuples(st.just("drop"), AT, AT, st.integers(1, 64)),
    st.tuples(st.just("twice"), AT, AT, st.integers(1, 64)),
    st.tuples(st.just("insert"), AT, AT, st.binary(min_size=1, max_size=8).map(bytes.hex)),
    st.tuples(st.just("number"), AT, AT, st.sampled_from(NUMBERS), st.sampled_from(["<q", "<i", "<h"])),
]
TEXT = [st.tuples(st.just("word"), AT, AT, st.sampled_from(WORDS)), st.tuples(st.just("swap"), AT, AT, AT)]
LEAF = [
    st.tuples(st.just("leaf"), AT, AT, st.sampled_from(WORDS)),
    st.tuples(st.just("without"), AT, AT),
]
CUT = RAW[1:2]
ARRAY = [st.tuples(st.just("array"), AT, AT, AT, st.sampled_from(NUMBERS))]


def edits(*kinds: list[Any], most: int = 4) -> st.SearchStrategy[list[Edit]]:
    """Return one to ``most`` edits of some kinds."""
    return st.lists(st.one_of(*(k for kind in kinds for k in kind)).map(list), min_size=1, max_size=most)


def apply(folder: Path, names: list[str], changes: list[Edit]) -> None:
    """Change the files of a folder in place."""
    for what, file, *how in changes:
        path = folder / names[file % len(names)]
        if what == "array":
            _array(path, *how)
        elif what in ("leaf", "without"):
            _leaf(path, what, *how)
        else:
            path.write_bytes(_changed(path.read_bytes(), what, *how))


def _changed(content: bytes, what: str, at: int, *how: Any) -> bytes:
    if not content:
        return content
    i = at % len(content)
    match what:
        case "flip":
            return content[:i] + bytes([content[i] ^ (1 << how[0])]) + content[i + 1 :]
        case "cut":
            return content[:i]
        case "drop":
            return content[:i] + content[i + how[0] :]
        case "twice":
            return content[: i + how[0]] + content[i:]
        case "insert":
            return content[:i] + bytes.fromhex(how[0]) + content[i:]
        case "number":
            size = struct.calcsize(how[1])
            put = struct.pack("<q", how[0])[:size]
            return content[:i] + put + content[i + size :]
    tokens = list(TOKEN.finditer(content))
    if not tokens:
        return content
    one = tokens[at % len(tokens)]
    other = how[0].encode() if what == "word" else tokens[how[0] % len(tokens)][0]
    return content[: one.start()] + other + content[one.end() :]


def _leaf(path: Path, what: str, at: int, word: str = "") -> None:
    """Replace or remove a value of a JSON file, which stays JSON; others stay as they are."""
    try:
        content = json.loads(path.read_text())
    except ValueError:
        return
    places = list(_places(content))
    if not places:
        return
    holder, key = places[at % len(places)]
    if what == "without":
        del holder[key]
    else:
        try:
            holder[key] = json.loads(word)
        except ValueError:
            holder[key] = word
    path.write_text(json.dumps(content))


def _places(content: Any) -> Any:
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(min(len(content), 20)):
            yield content, key
            yield from _places(content[key])


def _array(path: Path, which: int, at: int, value: int) -> None:
    """Put a number into an array of an HDF5 file, as it fits there; what is none any more stays as it is."""
    with contextlib.suppress(Exception), h5py.File(path, "r+") as file:
        arrays = []
        file.visititems(lambda _, v: arrays.append(v) if isinstance(v, h5py.Dataset) else None)
        arrays = [v for v in arrays if v.dtype.kind in "iuf" and v.size]
        if not arrays:
            return
        array = arrays[which % len(arrays)]
        content = array[()]
        if content.shape:
            flat = content.reshape(-1)
            flat[at % flat.size : at % flat.size + 1] = _like(value, content.dtype)
            array[...] = content
        else:
            array[()] = _like(value, content.dtype)


def _like(value: int, dtype: Any) -> Any:
    import numpy as np

    return np.array([value]).astype(dtype)[0]
