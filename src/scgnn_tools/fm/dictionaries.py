"""Dictionaries of published checkpoints: JSON, or a pickle that is read as data, with no unpickler at all.

A pickle is a list of instructions. Those that a dictionary of text and numbers needs are carried out here, on a stack; a pickle with
any other, with a container in the dictionary, or with a size that the file does not have, is refused. Nothing that a file can say
makes this module import or call what the file names.
"""

import json
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm._fetched import check_file

LARGEST = 2**28
"""Bytes of a dictionary; the largest published one has 4 MB."""
DICTIONARIES = {"collections OrderedDict", "collections defaultdict", "builtins dict", "__builtin__ dict"}
SCALARS = {"numpy.core.multiarray scalar", "numpy._core.multiarray scalar"}
ENCODERS = {"_codecs encode"}
DTYPES = {"numpy dtype"}
NAMES = DICTIONARIES | SCALARS | ENCODERS | DTYPES
TEXT = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MARK = object()


class Refused(Exception):  # noqa: N818  # it is caught here and never seen
    """The pickle holds something else than a dictionary of text and numbers."""


class _Named(str):
    """What a pickle names, "module name"; it is not looked up."""


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    WeightsError
        If the file is missing, too large, no JSON, nested too deeply or holds no object.
    """
    content = _content(path)
    try:
        out = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        msg = f"{path} is truncated or no JSON: {printable(error, limit=200)}. Fetch or save it again."
        raise WeightsError(msg) from error
    if not isinstance(out, dict):
        msg = f"{path} holds a {type(out).__name__}; a dictionary is wanted."
        raise WeightsError(msg)
    return out


def read_dictionary(path: Path) -> dict[Any, Any]:
    """Return a dictionary that was saved as JSON or as a pickle of text and numbers.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or holds anything else.
    """
    if path.suffix == ".json":
        return read_json(path)
    content = _content(path)
    try:
        out = _Machine(len(content)).run(content)
    except Refused as error:
        msg = (
            f"{path} was not read: {printable(error, limit=200)}. Only a dictionary of text and numbers is read from a pickle, because "
            "anything else could run code. If you trust its source, save it as JSON yourself."
        )
        raise WeightsError(msg) from error
    except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        msg = f"{path} is truncated or no dictionary: {printable(error, limit=200)}. Fetch it again."
        raise WeightsError(msg) from error
    if not isinstance(out, dict):
        msg = f"{path} holds a {type(out).__name__}; a dictionary is wanted."
        raise WeightsError(msg)
    return out


def read_words(path: Path, kind: "type[int] | type[float] | type[str]") -> dict[str, Any]:
    """Return text -> whole numbers, finite numbers or text; say which entry is something else."""
    wanted: dict[type, tuple[str, Any]] = {
        int: ("whole numbers", (int, np.integer)),
        float: ("finite numbers", (int, float, np.integer, np.floating)),
        str: ("text", str),
    }
    name, kinds = wanted[kind]
    words = read_dictionary(path)
    for key, value in words.items():
        fits = isinstance(value, kinds) and not isinstance(value, bool) and isinstance(key, str)
        if not fits or (kind is not str and not abs(value) < 2**62):
            msg = f"{path}: {printable(key)!r} has {printable(repr(value), limit=60)}; {name} by name are wanted."
            raise WeightsError(msg)
    return {k: kind(v) for k, v in words.items()}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file; an array larger than its file could hold is refused before it is read."""
    check_file(path)
    most = 1100 * path.stat().st_size  # what zlib can press into a byte
    with reading(path, "is damaged", "Fetch or save it again."):
        with zipfile.ZipFile(path) as packed:
            if sum(i.file_size for i in packed.infolist()) > most:
                msg = "it says that it holds more than it can"
                raise ValueError(msg)
        with np.load(path, allow_pickle=False) as file:
            return {k: file[k] for k in file.files}


@contextmanager
def reading(path: Path, fault: str, cure: str = "") -> Iterator[None]:
    """Say of whatever a library raises inside that ``path`` is at fault; damaged archives raise errors of a dozen kinds.

    Raises
    ------
    WeightsError
        With the path, ``fault``, what the library said, and ``cure``.
    """
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:
        msg = f"{path} {fault}: {printable(error, limit=200)}{'. ' if cure else ''}{cure}"
        raise WeightsError(msg) from error


def _content(path: Path) -> bytes:
    check_file(path)
    size = path.stat().st_size
    if size > LARGEST:
        msg = f"{path} has {size / 1e6:,.0f} MB; no dictionary is larger than {LARGEST / 1e6:,.0f} MB."
        raise WeightsError(msg)
    return path.read_bytes()


class _Machine:
    """Stack, memo and the instructions of a flat dictionary."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.size = size
        self.without: dict[str, Callable[[], object]] = {
            "MARK": lambda: self.stack.append(MARK),
            "EMPTY_DICT": lambda: self.push({}),
            "DICT": lambda: self.fill({}, self.marked()),
            "SETITEM": lambda: self.set_items(self.take(2)),
            "SETITEMS": lambda: self.set_items(self.marked()),
            "TUPLE": lambda: self.push(tuple(self.plain(v) for v in self.marked())),
            "POP": lambda: self.stack.pop(),
            "POP_MARK": self.marked,
            "STACK_GLOBAL": lambda: self.push(_Named(" ".join(map(str, self.take(2))))),
            "REDUCE": self.reduce,
            "BUILD": self.build,
        }
        """Instructions without an argument."""

    def run(self, content: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(content):
            name = opcode.name
            if name == "STOP":
                return self.pop()
            if name in TEXT or name in BYTES or name in NUMBERS:
                self.push(argument)
            elif name in CONSTANTS:
                self.push(CONSTANTS[name])
            elif name in TUPLES:
                n = TUPLES[name]
                self.push(tuple(self.plain(v) for v in self.take(n)))
            else:
                self.other(name, argument)
        msg = "no end"
        raise ValueError(msg)

    def other(self, name: str, argument: Any) -> None:
        if name in self.without:
            self.without[name]()
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self.keep(len(self.memo) if name == "MEMOIZE" else int(argument))
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.push(self.memo[int(argument)])
        elif name == "GLOBAL":
            self.push(_Named(argument))
        elif name not in ("PROTO", "FRAME"):
            msg = f"it holds the instruction {name}"
            raise Refused(msg)

    def push(self, value: Any) -> None:
        if isinstance(value, _Named) and value not in NAMES:
            msg = f"it names {value.replace(' ', '.')}"
            raise Refused(msg)
        self.stack.append(value)

    def pop(self) -> Any:
        return self.take(1)[0]

    def take(self, n: int) -> list[Any]:
        out = self.stack[len(self.stack) - n :] if n else []
        if len(out) < n or any(v is MARK for v in out):
            msg = "it takes what is not there"
            raise ValueError(msg)
        del self.stack[len(self.stack) - n :]
        return out

    def marked(self) -> list[Any]:
        at = len(self.stack) - 1
        while at >= 0 and self.stack[at] is not MARK:
            at -= 1
        if at < 0:
            msg = "it takes what is not there"
            raise ValueError(msg)
        out = self.stack[at + 1 :]
        del self.stack[at:]
        return out

    def keep(self, at: int) -> None:
        if not 0 <= at <= self.size:  # every entry of a memo costs at least a byte of the file
            msg = f"entry {at:,} of a memo in a file of {self.size:,} bytes"
            raise ValueError(msg)
        self.memo[at] = self.stack[-1]

    def plain(self, value: Any) -> Any:
        if isinstance(value, dict | tuple):
            msg = "it holds a container within another"
            raise Refused(msg)
        return value

    def set_items(self, items: list[Any]) -> None:
        out = self.stack[-1]
        if not isinstance(out, dict):
            msg = f"it puts entries into a {type(out).__name__}"
            raise ValueError(msg)
        self.stack.pop()
        self.fill(out, items)

    def fill(self, out: dict[Any, Any], items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(value, _Named | np.dtype):
                msg = "it holds the name of a program as a value"
                raise Refused(msg)
            out[self.plain(key)] = self.plain(value)
        self.push(out)

    def reduce(self) -> None:
        called, arguments = self.take(2)
        if not isinstance(called, _Named) or not isinstance(arguments, tuple):
            msg = "it calls something"
            raise Refused(msg)
        if called in DICTIONARIES and not arguments:
            self.push({})
        elif called in DTYPES and isinstance(arguments[0], str) and len(arguments[0]) <= 3:
            self.push(_number(np.dtype(arguments[0])))
        elif called in SCALARS and isinstance(arguments[0], np.dtype):
            raw = arguments[1]
            raw = raw if isinstance(raw, bytes) else raw.encode("latin1")
            self.push(np.frombuffer(raw, dtype=arguments[0], count=1)[0])
        elif called in ENCODERS and isinstance(arguments[0], str):
            self.push(arguments[0].encode("latin1"))
        else:
            msg = f"it calls {called.replace(' ', '.')}"
            raise Refused(msg)

    def build(self) -> None:
        out, state = self.take(2)
        if not isinstance(out, np.dtype) or not isinstance(state, tuple):
            msg = "it sets the state of an object"
            raise Refused(msg)
        order = state[1] if len(state) > 1 else "<"
        self.push(out.newbyteorder(">") if order == ">" else out)


def _number(dtype: np.dtype) -> np.dtype:
    if dtype.kind not in "biuf" or dtype.hasobject:
        msg = f"it holds values of type {dtype}"
        raise Refused(msg)
    return dtype
