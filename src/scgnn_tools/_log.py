"""A notice to the user: what a function chose and why, in lines as wide as the terminal or the notebook."""

import logging
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from scgnn_tools._settings import settings

logger = logging.getLogger("scgnn_tools")
PREFIX, NOTEBOOK = "sgt: ", 100
"""Of our own lines, and the width of a notebook's."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_UNWRITABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
)  # what no XML, and partly no HDF5, may hold


def printable(text: object, *, limit: int = 80) -> str:
    """Return ``text`` without control characters and cut to ``limit``, so that no name can forge a line of the log."""
    clean = _CONTROL.sub("�", str(text))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def writable(text: str) -> str:
    """Return ``text`` as every file takes it: control characters and halves of characters are replaced, the rest stays."""
    return _UNWRITABLE.sub("�", text)


def as_bytes(text: str) -> bytes:
    """Return ``text`` as UTF-8, to count or to hash by; halves of characters, which no encoding takes, are passed through."""
    return text.encode("utf-8", "surrogatepass")


def as_text(values: Iterable[object]) -> np.ndarray:
    """Return values as text in an object array: numpy's own text arrays give every entry the room of the longest one."""
    return np.array([str(v) for v in values], dtype=object)


def in_notebook() -> bool:
    """Tell whether output goes to a notebook."""
    return type(sys.stderr).__module__.partition(".")[0] == "ipykernel"


def width_of(stream: Any) -> int | None:
    """Return how many characters a line of the stream has; None where there is no width: a file, a pipe."""
    if in_notebook():
        return NOTEBOOK
    try:
        return max(40, shutil.get_terminal_size().columns) if stream.isatty() else None
    except (AttributeError, ValueError):  # a stream that is no file, or is closed
        return None


def fold(message: str, width: int) -> str:
    """Return a message in lines, broken where a part of the sentence ends, those after the first indented."""
    lines = [""]
    for part in re.split(r"(?<=[;.]) | (?=-> )", message):
        longer = f"{lines[-1]} {part}".strip()
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(part)
    out = [
        piece for line in lines for piece in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
    ]
    return f"\n{' ' * len(PREFIX)}".join(out)


class _Lines(logging.Formatter):
    """Our own handler's: the prefix, and lines as wide as where they go."""

    def format(self, record: logging.LogRecord) -> str:
        width, message = width_of(sys.stderr), record.getMessage()
        return PREFIX + (message if width is None else fold(message, width - len(PREFIX)))


def say(message: str) -> None:
    """Log one record at level INFO, on stderr unless the user has set up logging; silent if ``settings.verbose`` is off."""
    if not settings.verbose:
        return
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(_Lines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    logger.info(_CONTROL.sub(" ", message))


def counted(n: int, thing: str) -> str:
    """Return a number of things in words: 1 edge, 2 edges."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def are(n: int) -> str:
    """Return the verb of a number of things: 1 edge is, 2 edges are."""
    return "is" if n == 1 else "are"


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
