"""All perturbation methods: one line each."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, cast

from scgnn_tools._choices import did_you_mean
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.perturbation._protocol import PerturbationMethod


@dataclass(frozen=True)
class Entry:
    """Where a method lives and what it is.

    Attributes
    ----------
    module, cls
        Where.
    kind
        "baseline" for what others have to beat.
    needs
        "means" for a method that learns from mean changes, "cells" for a network that learns from cells.
    when
        What has to be there for it to differ from ``mean``: "combinations", or conditions "seen" in other groups; "" for nothing.
    """

    module: str
    cls: str
    kind: Literal["method", "baseline"] = "baseline"
    needs: Literal["means", "cells"] = "means"
    when: Literal["", "combinations", "seen"] = ""


METHODS = {
    "no_change": Entry("scgnn_tools.perturbation.no_change", "NoChange"),
    "mean": Entry("scgnn_tools.perturbation.mean", "Mean"),
    "shrunken_mean": Entry("scgnn_tools.perturbation.shrunken_mean", "ShrunkenMean"),
    "matching_mean": Entry("scgnn_tools.perturbation.matching_mean", "MatchingMean", when="seen"),
    "additive": Entry("scgnn_tools.perturbation.additive", "Additive", when="combinations"),
    "linear": Entry("scgnn_tools.perturbation.linear", "Linear"),
    "kernel": Entry("scgnn_tools.perturbation.kernel", "Kernel", "method"),
    "cgc": Entry("scgnn_tools.perturbation.cgc", "CGCResponse", "method", needs="cells"),
}


def entry(name: str) -> Entry:
    """Return what is known of a method."""
    return _known(METHODS, "perturbation", name)


def _known(methods: dict[str, Entry], what: str, name: str) -> Entry:
    if not isinstance(name, str) or name not in methods:
        msg = f"There is no {what} method {printable(name)!r}; the methods are {', '.join(methods)}.{did_you_mean(name, methods)}"
        raise InputValueError(msg)
    return methods[name]


def perturbation_method(name: str, **options: Any) -> PerturbationMethod:
    """Return a new, unfitted method by its name.

    ``device`` and ``max_epochs``, which are asked for by who does not know the method, reach those that have them; another option that
    the method lacks is an error.
    """
    return cast("PerturbationMethod", made(METHODS, "perturbation", name, options))


def made(methods: dict[str, Entry], what: str, name: str, options: dict[str, Any]) -> object:
    """Return a new method of a table of them; what is wrong with its name or options is an error."""
    found = _known(methods, what, name)
    cls = getattr(import_module(found.module), found.cls)
    has = list(inspect.signature(cls).parameters)
    for common in ("device", "max_epochs"):
        if common in options and (common not in has or options[common] is None):
            options = {k: v for k, v in options.items() if k != common}
    for option in (o for o in options if o not in has):
        msg = f"{name} has no option {printable(option)!r}; its options are: {', '.join(has) or 'none'}."
        raise InputValueError(msg)
    return cls(**options)
