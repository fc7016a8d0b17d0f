"""What a loaded model refuses before any work: a name that a method lacks, an argument that is missing or of a wrong kind."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from scgnn_tools._choices import integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError
from scgnn_tools._methods import check_options
from scgnn_tools._modality import RNA, is_mudata, only_anndata

F = TypeVar("F", bound=Callable[..., Any])

ASKED = ("adapt", "attention", "attention_received", "embed_cells", "embed_genes", "save", "tokenize")
"""Methods that users call; a model has them as its base class has, or in its own way."""


def asked(method: F) -> F:
    """Let a method of a model refuse, before any work, what no call of it can have."""
    parameters = dict(list(inspect.signature(method).parameters.items())[1:])  # without the object itself
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    places = [n for n, p in named.items() if p.kind is not p.KEYWORD_ONLY]
    whatever = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    guarded = door(method)

    @wraps(method)
    def inner(*args: Any, **kwargs: Any) -> Any:
        if not args:  # of the class and not of an object: Python's own words
            return method(*args, **kwargs)
        given = {**dict(zip(places, args[1:], strict=False)), **kwargs}
        who = f"{type(args[0]).__name__}.{method.__name__}()"
        if not whatever:
            check_options(who, kwargs, list(named))
        missing = [n for n, p in named.items() if p.default is p.empty and n not in given]
        if missing:
            msg = f"{who} wants {missing[0]}=, which is missing. Pass {', '.join(f'{n}=…' for n in missing)}."
            raise InputTypeError(msg)
        if given.get("batch_size") is not None:
            integer("batch_size", given["batch_size"], or_none=True)
        adata: Any = given.get("adata")
        if is_mudata(adata) and RNA not in adata.mod:
            only_anndata(adata)
        return guarded(*args, **kwargs)

    return inner  # type: ignore[return-value]
