"""Pickled dictionaries are read as data: what is no dictionary of text and numbers is refused, at once and at no cost."""

import collections
import contextlib
import json
import os
import pickle
import time
import tracemalloc

import numpy as np
import pytest

from scgnn_tools._errors import WeightsError
from scgnn_tools.fm.dictionaries import read_arrays, read_dictionary, read_json, read_words

WORDS = {"ENSG1": 1, "ENSG2": 2**40, "ENSG3": -3}


class Runs:
    def __reduce__(self):
        return os.system, ("true",)


def laughs(kind, n=40):
    out = kind([1])
    for _ in range(n):
        out = kind([out, out])
    return out


SOUND = {
    "whole numbers": WORDS,
    "fractions": {"a": 1.5, "b": np.float64(2.5), "c": np.float32(0.5)},
    "numpy integers": {"a": np.int16(3), "b": np.int64(-4), "c": np.uint8(255)},
    "text": {"ENSG1": "ENSG2", "ü": "细胞"},
    "mixed": {1: None, "a": True, "b": b"raw", "c": False},
    "ordered": collections.OrderedDict(WORDS),
    "empty": {},
    "many": {f"g{i}": i for i in range(2500)},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("which", SOUND)
def test_dictionaries_of_every_protocol_are_read(tmp_path, which, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(SOUND[which], protocol=protocol))
    got = read_dictionary(path)
    assert got == dict(SOUND[which])
    assert [type(v) for v in got.values()] == [type(v) for v in SOUND[which].values()]


HOSTILE = {
    "a call": pickle.dumps({"a": Runs()}),
    "a call alone": pickle.dumps(Runs(), protocol=0),
    "a name": b"\x80\x04cos\nsystem\n.",
    "a name on the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "an attribute of a name that may stand": b"\x80\x04\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93.",
    "a factory": b"\x80\x04ccollections\ndefaultdict\n(cos\nsystem\ntR.",
    "an array": pickle.dumps({"a": np.zeros(3)}),
    "an array of objects": pickle.dumps({"a": np.array([Runs()], dtype=object)}),
    "a huge array": b"\x80\x04cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(\x8a\x06\0\0\0\0\0\x01tU\x01btR.",
    "a huge type": b"\x80\x04cnumpy\ndtype\n(X\x0a\0\0\0f8,(9999999,)f8tR.",
    "a list": pickle.dumps({"a": [1]}),
    "a dictionary inside": pickle.dumps({"a": {"b": 1}}),
    "a tuple as key": pickle.dumps({(1, 2): 1}),
    "itself": b"\x80\x04}q\0X\1\0\0\0ah\0s.",
    "shared lists": pickle.dumps(laughs(list)),
    "shared tuples": pickle.dumps({laughs(tuple, 20): 1}),
    "deep lists": b"\x80\x04" + b"(" * 100_000 + b"l" * 100_000 + b".",
    "deep tuples": b"\x80\x04" + b"(" * 100_000 + b"t" * 100_000 + b".",
    "a memo of gigabytes": b"\x80\x04Nr" + (2**30).to_bytes(4, "little") + b".",
    "bytes of a terabyte": b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b"abc.",
    "a byte array": b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b"abc.",
    "a number of gigabytes": b"\x80\x04\x8b" + (2**31 - 1).to_bytes(4, "little") + b"abc.",
    "an extension": b"\x80\x04\x82\x01.",
    "a persistent name": b"P1\n.",
    "an empty stack": b"\x80\x04s.",
    "no end": pickle.dumps(WORDS)[:-1],
    "a number": pickle.dumps(3),
    "nothing": b"",
    "text": b"not a pickle",
}


@pytest.mark.parametrize("which", HOSTILE)
def test_anything_else_is_refused_without_cost(tmp_path, which):
    path = tmp_path / "x.pkl"
    path.write_bytes(HOSTILE[which])
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(WeightsError, match=r"x\.pkl"):
        read_dictionary(path)
    seconds, (_, peak) = time.perf_counter() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 10
    assert peak < 30e6


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_bit_that_differs_gives_a_dictionary_or_an_error_of_ours(tmp_path, cut):
    path, content = tmp_path / "x.pkl", bytearray(pickle.dumps({"ENSG1": np.float64(1), "ENSG2": 2}))
    content[cut % len(content)] ^= 1 << (cut % 8)
    path.write_bytes(bytes(content))
    with contextlib.suppress(WeightsError):
        assert isinstance(read_dictionary(path), dict)


@pytest.mark.parametrize("value", ["1", 1.5, None, True, [1], 2**70, float("nan"), {"x": 1}])
def test_ids_are_whole_numbers(tmp_path, value):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"a": 0, "b": value}))
    with pytest.raises(WeightsError, match=r"'b' has .*; whole numbers by name are wanted"):
        read_words(path, int)


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '"x"', "[" * 200_000, '{"a":' * 100_000, "\ufeff{}", "NaN", "", "{", "\x80"]
)
def test_json_is_an_object(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WeightsError, match=r"x\.json"):
        read_json(path)


def test_json_is_never_read_as_a_pickle(tmp_path):
    path = tmp_path / "args"
    path.write_bytes(pickle.dumps({"embsize": 1}))
    with pytest.raises(WeightsError, match="no JSON"):
        read_json(path)


FLAGS = [(8, 1), (10, 99), (6, 255)]  # encrypted; packed in a way that nobody knows; of a later version


def test_arrays_are_read_and_bombs_are_not(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.arange(3))
    np.testing.assert_array_equal(read_arrays(path)["a"], np.arange(3))
    content = path.read_bytes()
    central = content.index(b"PK\x01\x02")  # where the archive says of each array how it is packed
    marked = {at: content[: central + at] + bytes([value]) + content[central + at + 1 :] for at, value in FLAGS}
    for damaged in (b"nothing", content[: len(content) // 2], b"", *marked.values()):
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"x\.npz is damaged"):
            read_arrays(path)
    np.savez(path, a=np.array([Runs()], dtype=object))
    with pytest.raises(WeightsError, match=r"x\.npz is damaged"):
        read_arrays(path)
