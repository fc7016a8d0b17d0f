"""What a loaded model refuses before any work: a name that a method lacks, an argument that is missing or of a wrong kind."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from scgnn_tools._asked import asked
from scgnn_tools._choices import integer
from scgnn_tools._modality import RNA, is_mudata, only_anndata

P = ParamSpec("P")
R = TypeVar("R")

ASKED = ("adapt", "attention", "attention_received", "embed_cells", "embed_genes", "save", "tokenize")
"""Methods that users call; a model has them as its base class has, or in its own way."""


def asked_of_model(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method of a model look at its arguments, and at a MuData, of which it reads the RNA alone."""
    guarded = asked(method, {"batch_size": integer})

    @wraps(method)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        for value in (*args[1:2], kwargs.get("adata")):
            if is_mudata(value) and RNA not in value.mod:  # type: ignore[attr-defined]
                only_anndata(value)
        return guarded(*args, **kwargs)

    return inner
