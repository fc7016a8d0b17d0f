"""Public functions are doors: an argument of a wrong kind is an error that names it, whatever it broke inside.

Checks of values stand in the functions, before any work. What they do not see breaks later as an error of numpy or pandas that names no
argument. The annotations say what was wanted, so that one place can say so for all functions, and no sound call is refused by it.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import wraps
from numbers import Integral, Real
from os import PathLike
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import numpy as np
from pandas.errors import InvalidIndexError

from scgnn_tools._choices import did_you_mean, listed
from scgnn_tools._deprecated import old_names
from scgnn_tools._errors import InputTypeError, InputValueError, SgtError
from scgnn_tools._log import printable

F = TypeVar("F", bound=Callable[..., Any])

FOREIGN = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, NotImplementedError, InvalidIndexError)
"""What wrong arguments raise in the libraries below."""


_of_calls: ContextVar[tuple[str, ...]] = ContextVar("_of_calls", default=())


def arguments_of_calls() -> tuple[str, ...]:
    """Return the named arguments of the calls under way that take options too: a wrong option may be one of them, misspelt."""
    return _of_calls.get()


def door(call: F) -> F:
    """Say which argument was of a wrong kind, by the annotations of ``call``, where it breaks; flags are looked at before."""
    return _guarded(call, _nothing)


def door_of_arrays(call: F) -> F:
    """As :func:`door`, of a function of arrays alone: arguments that are of the right kinds and do not fit together are named as well."""
    return _guarded(call, _no_fit)


def _guarded(call: F, otherwise: Callable[[str, dict[str, Any], Exception], None]) -> F:
    signature = inspect.signature(call)
    wanted = {n: _text(p.annotation) for n, p in signature.parameters.items() if _is_named(p)}
    flags = [n for n, kind in wanted.items() if kind == "bool"]
    counts = [n for n, kind in wanted.items() if _is_count(kind)]
    takes_options, old = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()), old_names(call)

    @wraps(call)
    def outer(*args: Any, **kwargs: Any) -> Any:
        token = _of_calls.set((*_of_calls.get(), *wanted))
        try:
            return inner(*args, **kwargs)
        finally:
            _of_calls.reset(token)

    @wraps(call)
    def inner(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            strange, has = (
                [n for n in kwargs if n not in wanted and n not in old],
                [n for n in wanted if n not in ("self", "cls")],
            )
            if strange and not takes_options:
                msg = f"{call.__name__}() got an unexpected keyword argument {strange[0]!r}; its arguments are: {listed(has)}."
                raise InputTypeError(msg + did_you_mean(strange[0], has)) from None
            return call(*args, **kwargs)  # an old name, or one too many, or missing: Python's own words name it
        given = bound.arguments
        for name in flags:
            _check(name, "bool", given.get(name, False))
        if any(_is_whole_float(given.get(n)) for n in counts):
            given.update({n: _counted(given[n]) for n in counts if n in given})
            args, kwargs = bound.args, bound.kwargs
        try:
            return call(*args, **kwargs)
        except SgtError:
            raise
        except FOREIGN as error:
            for name, value in given.items():
                _check(name, wanted.get(name, "Any"), value, error)
            otherwise(call.__name__, given, error)
            raise

    return outer if takes_options else inner  # type: ignore[return-value]


def counted(call: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of ``call`` with 3.0 as 3 where it wants a whole number, as :func:`door` has it for its own arguments."""
    wanted = {n: _text(p.annotation) for n, p in inspect.signature(call).parameters.items()}
    return {n: _counted(v) if _is_count(wanted.get(n, "Any")) else v for n, v in given.items()}


def _is_count(kind: str) -> bool:
    """Tell whether whole numbers are wanted and no others: what checks them lets 3.0 pass, and slices and ranges do not."""
    kinds = list(_parts(kind))
    return "int" in kinds and "float" not in kinds


def _is_whole_float(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral | np.bool_) and float(value).is_integer()


def _counted(value: Any) -> Any:
    return int(value) if _is_whole_float(value) else value


def _nothing(name: str, given: dict[str, Any], error: Exception) -> None:
    """Leave the error as it is."""


def _no_fit(name: str, given: dict[str, Any], error: Exception) -> None:
    shown = "; ".join(f"{n}: {_seen(v)}" for n, v in given.items())
    msg = (
        f"{name} cannot use these arguments together, by their shapes or by what they hold ({printable(shown)}). It ended with "
        f"{type(error).__name__}: {printable(error)}"
    )
    raise InputValueError(msg) from error


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _text(annotation: Any) -> str:
    """Return an annotation as text, without the modules: "Sequence[str] | None"."""
    if annotation is inspect.Parameter.empty:
        return "Any"
    if annotation in (None, NoneType):
        return "None"
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_text, get_args(annotation)))
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b([A-Za-z_]\w*\.)+", "", text)


def _check(name: str, kind: str, value: Any, error: Exception | None = None) -> None:
    kinds = list(_parts(kind))
    if not any(_fits(value, k) for k in kinds):
        words = list(dict.fromkeys(_words(k) for k in kinds))
        shown = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
        msg = f"{name} is {shown}; got {_seen(value)}."
        raise InputTypeError(msg) from error


def _seen(value: Any) -> str:
    """Return a value as a message shows it: what is large by its kind, shape and type of numbers alone."""
    if isinstance(value, str | bytes | Real | None):
        return printable(repr(value))
    if isinstance(value, list | tuple | set | dict) and len(value) < 4:
        return printable(repr(value))
    facts = [str(getattr(value, name)) for name in ("dtype", "shape") if hasattr(value, name)]
    return " ".join([type(value).__name__, *facts])


def _parts(kind: str) -> Iterator[str]:
    """Yield what "|" parts, outside brackets."""
    depth, start = 0, 0
    for i, letter in enumerate(kind + "|"):
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and depth == 0:
            yield kind[start:i].strip()
            start = i + 1


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "None": ("None", lambda v: v is None),
    "bool": (
        "True or False",
        lambda v: isinstance(v, bool | np.bool_) or (isinstance(v, Integral) and v in (0, 1)),
    ),
    "int": ("a whole number", lambda v: isinstance(v, Integral) or (isinstance(v, Real) and float(v).is_integer())),
    "float": ("a number", lambda v: isinstance(v, Real)),
    "str": ("a text", lambda v: isinstance(v, str)),
    "Path": ("a path", lambda v: isinstance(v, PathLike)),
    "Generator": ("a numpy Generator", lambda v: isinstance(v, np.random.Generator)),
    "ndarray": ("an array", lambda v: hasattr(v, "__array__") or isinstance(v, list | tuple)),
    "csr_array": ("a sparse matrix", lambda v: hasattr(v, "tocsr")),
    "Sequence": ("a list", _is_list),
    "Iterable": ("a list", _is_list),
    "Collection": ("a list", _is_list),
    "list": ("a list", _is_list),
    "tuple": ("a list", _is_list),
    "Mapping": ("a dict", lambda v: isinstance(v, Mapping)),
    "dict": ("a dict", lambda v: isinstance(v, Mapping)),
    "DataFrame": ("a table (pandas.DataFrame)", lambda v: hasattr(v, "columns")),
    "Callable": ("a function", callable),
    "Any": ("anything", lambda v: True),
    "Literal": ("one of", lambda v: isinstance(v, str | bool | None)),
}
"""Words for a kind, and whether a value is of it."""

CLASSES = ("AnnData", "MuData", "Series", "Index", "Axes", "Data", "HeteroData", "FoundationModel")
"""Kinds that are known by the name of their class, which need not be imported for it; of any other nothing is said."""

OF_EACH = {"int": "whole numbers", "float": "numbers", "str": "texts", "DataFrame": "tables", "AnnData": "AnnDatas"}
"""What lists are looked into for."""


def _head(kind: str) -> tuple[str, str]:
    """Return "Sequence", "str" of "Sequence[str]"."""
    head, _, rest = kind.partition("[")
    return head, rest.removesuffix("]").removesuffix(", ...")


def _words(kind: str) -> str:
    head, of = _head(kind)
    if head == "Literal":
        return "one of " + of
    words = KINDS[head][0] if head in KINDS else f"{'an' if head[0] in 'AI' else 'a'} {head}"
    return (
        f"{words} of {OF_EACH[of]}"
        if head in ("Sequence", "Iterable", "Collection", "list", "tuple") and of in OF_EACH
        else words
    )


def _fits(value: Any, kind: str) -> bool:
    head, of = _head(kind)
    if head in CLASSES:
        return any(c.__name__ == head for c in type(value).__mro__)
    if head not in KINDS:
        return True
    if not KINDS[head][1](value):
        return False
    return not (_is_list(value) and of in OF_EACH and isinstance(value, list | tuple)) or all(
        _fits(v, of) for v in value
    )
