"""Options of models, checked when they are given."""

from collections.abc import Sequence
from typing import Any

from scgnn_tools._errors import InputValueError


def one_of(name: str, value: Any, words: Sequence[str]) -> Any:
    """Return ``value`` if it is one of ``words``."""
    if value not in words:
        msg = f"{name} is one of {', '.join(words)}; got {value!r}."
        raise InputValueError(msg)
    return value


def positive(name: str, value: Any, *, least: int = 1) -> int:
    """Return ``value`` if it is an integer of at least ``least``."""
    if isinstance(value, bool) or int(value) != value or value < least:
        msg = f"{name} is an integer from {least} on; got {value!r}."
        raise InputValueError(msg)
    return int(value)
