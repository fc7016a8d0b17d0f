"""Arguments, checked once and before any work: choices, numbers, seeds, columns and keys.

Every check says what was seen, what is wanted, and, where a name is near one that exists, which was probably meant.
"""

import difflib
import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._log import printable

SHOWN = 30
"""Names that a message lists at most."""


def without_numpy(value: Any) -> Any:
    """Return Python's own number, truth value or text for one of numpy, also within lists, tuples and dicts; all else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(without_numpy, value))
    return {k: without_numpy(v) for k, v in value.items()} if type(value) is dict else value


def choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return ``value`` if it is one of ``choices``, among which may be None; of the same type: 1 is not True, numpy's True is."""
    value = bool(value) if isinstance(value, np.bool_) else value
    if any(type(value) is type(c) and value == c for c in choices) or _is_text_in(value, choices):
        return value
    shown = list(map(repr, choices))
    wanted = f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else shown[0]
    msg = f"{name} is {wanted}; got {_seen(value)}.{did_you_mean(value, choices)}"
    raise InputValueError(msg)


def integer(
    name: str, value: Any, *, least: int = 1, most: int | None = None, or_none: bool = False, or_auto: bool = False
) -> Any:
    """Return ``value`` as an int if it is a whole number in the range; 2.5, True, NaN and "2" are none.

    With ``or_none`` None may stand in its place and is returned, with ``or_auto`` "auto", which gives None.
    """
    if (value is None and or_none) or (or_auto and isinstance(value, str) and value == "auto"):
        return None
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool | np.bool_) or not whole or value < least or (most is not None and value > most):
        wanted = "a positive integer" if least == 1 else f"an integer of at least {least}"
        wanted = f"'auto' or {wanted}" if or_auto else wanted
        msg = f"{name} is {wanted}{'' if most is None else f' and at most {most:,}'}{' or None' if or_none else ''}; got {_seen(value)}."
        raise InputValueError(msg)
    return int(value)


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    or_none: bool = False,
) -> Any:
    """Return ``value`` as a float if it is a finite number in the range; NaN, infinity, True and text are none.

    ``least`` and ``most`` belong to the range, ``above`` and ``below`` do not.
    """
    if value is None and or_none:
        return None
    ok = isinstance(value, Real) and not isinstance(value, bool | np.bool_) and _is_finite(value)
    ok = ok and (least is None or value >= least) and (above is None or value > above)
    ok = ok and (most is None or value <= most) and (below is None or value < below)
    if not ok:
        msg = f"{name} is {_range(least, above, most, below)}{' or None' if or_none else ''}; got {_seen(value)}."
        raise InputValueError(msg)
    return float(value)


def share(name: str, value: Any, *, or_none: bool = False) -> Any:
    """Return ``value`` as a float if it lies between 0 and 1, both left out."""
    return number(name, value, above=0, below=1, or_none=or_none)


def text(name: str, value: Any, *, or_none: bool = False) -> Any:
    """Return ``value`` if it is a text."""
    if isinstance(value, str) or (value is None and or_none):
        return value
    msg = f"{name} is a text{' or None' if or_none else ''}; got {_seen(value)}."
    raise InputTypeError(msg)


def sequence(name: str, value: Any) -> list[Any]:
    """Return the values of a list, an array or a set, or the one text, as a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        msg = f"{name} is a text or a list of them; got {_seen(value)}."
        raise InputTypeError(msg)
    return list(value)


def column(name: str, value: Any, there: Iterable[Any], where: str = "obs") -> Any:
    """Return ``value`` if ``where`` has a column of that name; the message lists those that it has."""
    names = list(there)
    if _is_text_in(value, names) or (isinstance(value, Integral) and value in names):
        return value
    msg = (
        f"{name}={_seen(value)} is no column of {where}; the columns are: {listed(names)}.{did_you_mean(value, names)}"
    )
    raise MissingKeyError(msg)


def key(name: str, value: Any, there: Iterable[Any], where: str, *, todo: str = "") -> Any:
    """Return ``value`` if it is a key of ``where`` ("obsm", "layers", …); the message lists those that are, and ends with ``todo``."""
    names = [k for k in there if k is not None]  # anndata 0.13 lists X among the layers, as None
    if _is_text_in(value, names):
        return value
    rest = f" {todo}" if todo else ""
    msg = f"{name}={_seen(value)} is not in {where}; there is: {listed(names)}.{did_you_mean(value, names)}{rest}"
    raise MissingKeyError(msg)


def listed(names: Iterable[Any]) -> str:
    """Return names for a message, the first thirty of them; "none" where there are none."""
    texts = [printable(n) for n in names]
    more = f", … ({len(texts) - SHOWN:,} more)" if len(texts) > SHOWN else ""
    return (", ".join(texts[:SHOWN]) or "none") + more


def did_you_mean(value: Any, choices: Iterable[Any]) -> str:
    """Return " Did you mean 'x'?" where a name of ``choices`` is near ``value``, else nothing."""
    if not isinstance(value, str) or len(value) > 200:
        return ""
    texts = [c for c in choices if isinstance(c, str)]
    lower = {t.lower(): t for t in reversed(texts)}
    near = difflib.get_close_matches(value.lower(), list(lower), n=1, cutoff=0.6)
    return f" Did you mean {printable(lower[near[0]])!r}?" if near else ""


def _is_text_in(value: Any, choices: Iterable[Any]) -> bool:
    return isinstance(value, str) and value in [c for c in choices if isinstance(c, str)]


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # an integer of hundreds of digits
        return False


def _seen(value: Any) -> str:
    return printable(repr(value))


def _range(least: float | None, above: float | None, most: float | None, below: float | None) -> str:
    low = f"at least {least:g}" if least is not None else f"above {above:g}" if above is not None else ""
    high = f"at most {most:g}" if most is not None else f"below {below:g}" if below is not None else ""
    if not high and (low == "above 0"):
        return "positive"
    return "a number" + (f" {' and '.join(part for part in (low, high) if part)}" if low or high else "")
