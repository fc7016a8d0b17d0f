"""Methods of classes look at their arguments before any work, as public functions do behind their doors."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from scgnn_tools._choices import choice, without_numpy
from scgnn_tools._deprecated import old_names
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError
from scgnn_tools._methods import check_options

P = ParamSpec("P")
R = TypeVar("R")


def asked(method: Callable[P, R], numbers: Mapping[str, Callable[..., Any]] = MappingProxyType({})) -> Callable[P, R]:
    """Let a method of a class refuse, before any work, what no call of it can have.

    A name that it does not have is an error that says which it has, by the class that the user has, and so is one that is missing. A flag
    is a flag, ``numbers`` are in their range, by argument, and None is for what it has None for unasked. What is of a wrong kind is named
    where it breaks. Numbers and truth values of numpy become Python's own, which any file can hold.
    """
    parameters = dict(list(inspect.signature(method).parameters.items())[1:])  # without the object itself
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    places = [n for n, p in named.items() if p.kind is not p.KEYWORD_ONLY]
    whatever = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    guarded = door(method)

    @wraps(method)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        if not args:  # of the class and not of an object: Python's own words
            return method(*args, **kwargs)
        args, kwargs = (args[0], *map(without_numpy, args[1:])), without_numpy(kwargs)  # type: ignore[assignment]
        given = {**dict(zip(places, args[1:], strict=False)), **kwargs}
        owner: Any = args[0]
        who = owner.__name__ if isinstance(owner, type) else type(owner).__name__
        who = who if method.__name__ == "__init__" else f"{who}.{method.__name__}()"
        if not whatever:
            check_options(who, [n for n in kwargs if n not in old_names(method)], list(named))
        missing = [n for n, p in named.items() if p.default is p.empty and n not in given]
        if missing:
            msg = f"{who} wants {missing[0]}=, which is missing. Pass {', '.join(f'{n}=…' for n in missing)}."
            raise InputTypeError(msg)
        for name in (n for n in named if n in given):
            default, value = named[name].default, given[name]
            if isinstance(default, bool):
                choice(name, value, (True, False))
            elif name in numbers:
                numbers[name](name, value, or_none=default is None)
        return guarded(*args, **kwargs)

    return inner
