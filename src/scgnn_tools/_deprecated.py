"""Names of arguments of the release before: still taken, with a warning that says the new one."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from scgnn_tools._errors import InputValueError, warn

F = TypeVar("F", bound=Callable[..., Any])


def renamed(**names: Callable[[Any], dict[str, Any]]) -> Callable[[F], F]:
    """Let a function take arguments by their old names.

    Parameters
    ----------
    names
        By old name, a function that turns the old value into arguments of today.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            for old in [n for n in names if n in given]:
                new = names[old](given.pop(old))
                words = ", ".join(f"{k}={v!r}" for k, v in new.items())
                both = [k for k in new if k in given]
                if both:
                    msg = f"{old}= is the old name of {both[0]}=; pass {both[0]}= alone."
                    raise InputValueError(msg)
                msg = f"{old}= goes in the next release; pass {words} to {_called(function, args)}."
                warn(msg, FutureWarning)
                given |= new
            return function(*args, **given)

        call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        call.old_names = frozenset(names)  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def old_names(function: Callable[..., Any]) -> frozenset[str]:
    """Return the old names that :func:`renamed` lets a function take."""
    return vars(function).get("old_names", frozenset())


def _called(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Return what the user called: a method by the class of its object, which may have it from another."""
    inside = "." in function.__qualname__.rpartition("<locals>.")[2]
    return f"{type(args[0]).__name__}.{function.__name__}" if inside and args else function.__qualname__
