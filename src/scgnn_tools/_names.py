"""Which names can be written into a file, and what is said of those that cannot."""

from collections.abc import Callable, Iterable
from typing import Any

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import ROOT
from scgnn_tools._log import as_text, printable, writable

LONGEST = 200
"""Bytes of a name; with what is added to it, it is still the name of a file, as it becomes in a zarr folder."""

_RESERVED = ("_index", "__categories")  # of anndata, in the tables that it writes


def as_key(name: object) -> str:
    """Return a name as a key that .h5ad and .zarr can hold: "/" parts folders there, "." is one, "_index" is taken."""
    key = writable(str(name)).replace("/", "|")
    if len(key.encode()) > LONGEST:
        key = key.encode()[: LONGEST - 3].decode(errors="ignore") + "…"
    return f"({key})" if not key.strip(".") or key in _RESERVED or key.startswith("__") else key


def safe_names(names: Iterable[object], make: Callable[[str], str] = as_key) -> list[str]:
    """Return names as ``make`` makes them, by default keys of a file, one for one: what may stay stays, others give way."""
    texts = list(as_text(names))
    taken = {t for t in texts if make(t) == t}
    out: list[str] = []
    for text in texts:
        key = make(text)
        if key != text:
            number = 1
            while key in taken:
                number += 1
                key = f"{make(text)} ({number})"
            taken.add(key)
        out.append(key)
    return out


def check_key(value: Any, name: str = "key_added", *, reserved: Iterable[str] = (ROOT,)) -> str:
    """Return the name of a result, if it can be written.

    Parameters
    ----------
    value
        What the user passed as ``name``.
    reserved
        Names that stand for something else.

    Raises
    ------
    InputTypeError, InputValueError
        Before any work; the message says what to type.
    """
    if not isinstance(value, str):
        msg = f"{name} is a text that is not empty; got {printable(repr(value))}. Pass for example {name}='result'."
        raise InputTypeError(msg)
    if as_key(value) != value or not value.strip():
        better = as_key(value) if value.strip() else "result"
        msg = (
            f"{name}={printable(repr(value))} cannot be the name of a result: no file could hold it, or be read again with it. "
            f"Pass for example {name}={better!r}."
        )
        raise InputValueError(msg)
    if value in reserved:
        msg = f"{name}={value!r} is the name of something else that the package writes. Pass another, for example {name}='{value}_2'."
        raise InputValueError(msg)
    return value


def check_apart(written: Iterable[str], **read: object) -> None:
    """Refuse a result that would take the place of what it is made from, by the argument that named it."""
    written = list(written)
    for argument, name in read.items():
        if name in written:
            msg = (
                f"The result would take the place of what it is made from: {argument}={name!r}. "
                f"Pass another key_added=, for example '{name}_2'."
            )
            raise InputValueError(msg)
