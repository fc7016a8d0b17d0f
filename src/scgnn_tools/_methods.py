"""Methods by their names: what every registry of them does with a name and with options."""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeVar

from scgnn_tools._choices import did_you_mean, integer
from scgnn_tools._doors import arguments_of_calls, counted
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable

E = TypeVar("E")

COMMON = ("device", "max_epochs")
"""Options that are asked for by who does not know the method."""


@dataclass(frozen=True)
class Place:
    """Where a method lives: the part that the entries of all registries share.

    Attributes
    ----------
    module, cls
        Names of the module and of the class in it, which is imported on use.
    """

    module: str
    cls: str

    def load(self) -> type:
        """Return the class."""
        return getattr(import_module(self.module), self.cls)


def known(methods: Mapping[str, E], what: str, name: Any) -> E:
    """Return the entry of a method, or of a "link predictor"; an unknown name is an error with the names that there are."""
    if not isinstance(name, str) or name not in methods:
        every = f"the {what.rsplit(maxsplit=1)[-1]}s are {', '.join(methods)}"
        msg = f"There is no {what} {printable(name)!r}; {every}.{did_you_mean(name, methods)}"
        raise InputValueError(msg)
    return methods[name]


def check_options(
    name: str, options: Iterable[str], has: Sequence[str], of_others: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> None:
    """Refuse an option that neither a method has nor ``of_others``, by name; it may be an argument of the call, misspelt."""
    has = list(dict.fromkeys(has))
    able = [*has, *(o for theirs in of_others.values() for o in theirs)]
    more = "".join(f", and those of {n}: {', '.join(theirs)}" for n, theirs in of_others.items() if theirs)
    for option in (o for o in options if o not in able):
        known = arguments_of_calls()  # one that is spelt as it should be is of other methods
        meant = "" if option in known else did_you_mean(option, [*able, *known])
        msg = f"{name} has no option {printable(option)!r}; its options are: {', '.join(has) or 'none'}{more}.{meant}"
        raise InputValueError(msg)


def make(cls: type, name: str, options: Mapping[str, Any]) -> Any:
    """Return a new method; ``device`` and ``max_epochs`` reach those that have them, another option that it lacks is an error."""
    has = list(inspect.signature(cls).parameters)
    if options.get("max_epochs") is not None:
        integer("max_epochs", options["max_epochs"])
    _check_device(options.get("device", "auto"))
    given = {k: v for k, v in options.items() if k not in COMMON or (k in has and v is not None)}
    check_options(name, given, has)
    return cls(**counted(cls, given))


def _check_device(device: Any) -> None:
    """Refuse what names no device, also where the method has none to choose; whether it is there is asked by who computes on it."""
    if str(device) == "gpu":
        msg = "device='gpu' is no device of PyTorch. Pass device='cuda' or 'auto'."
        raise InputValueError(msg)
    if not re.fullmatch(r"auto|meta|[a-z]{3,12}(:\d+)?", str(device)):
        msg = f"device is 'auto', 'cpu', 'cuda', 'cuda:1' or another name of PyTorch; got {printable(repr(device))}."
        raise InputValueError(msg)
