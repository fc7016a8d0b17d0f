"""One line to the user: what a function chose and why."""

import logging
import re
from collections.abc import Iterable

import numpy as np

from scgnn_tools._settings import settings

logger = logging.getLogger("scgnn_tools")
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


def as_text(values: Iterable[object]) -> np.ndarray:
    """Return values as text in an object array: numpy's own text arrays give every entry the room of the longest one."""
    return np.array([str(v) for v in values], dtype=object)


def say(message: str) -> None:
    """Log one line at level INFO, on stderr unless the user has set up logging; silent if ``settings.verbose`` is off."""
    if not settings.verbose:
        return
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("sgt: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    logger.info(_CONTROL.sub(" ", message))


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
