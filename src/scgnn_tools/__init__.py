"""Foundation-model embeddings and graph neural networks for single cells, on AnnData.

The import is lazy (PEP 562): nothing heavy is loaded before the first use of a name.
"""

import gc
import sys
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scgnn_tools import _accessor as _accessor  # registers adata.sgt
from scgnn_tools import _compiled as _compiled  # where numba writes is read when it is loaded
from scgnn_tools import _threads as _threads  # how threads wait is read when PyTorch is loaded
from scgnn_tools._settings import settings
from scgnn_tools._versions import print_versions

if TYPE_CHECKING:
    from scgnn_tools import (
        annotation,
        data,
        fm,
        gene_tasks,
        genes,
        graph,
        grn,
        integration,
        labels,
        links,
        metrics,
        models,
        nn,
        perturbation,
        pl,
        pp,
        report,
        splits,
        tl,
    )

__version__ = "0.1.0"
__all__ = [
    "annotation",
    "data",
    "fm",
    "gene_tasks",
    "genes",
    "graph",
    "grn",
    "integration",
    "labels",
    "links",
    "metrics",
    "models",
    "nn",
    "perturbation",
    "pl",
    "pp",
    "print_versions",
    "report",
    "settings",
    "splits",
    "tl",
]

_ROOMS = frozenset(__all__) - {"print_versions", "settings"}


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        fresh = "torch" not in sys.modules
        room = import_module(f"{__name__}.{name}")
        # PyTorch's import keeps the frames of who asked, and with them open files, until they are collected
        if fresh and "torch" in sys.modules:
            gc.collect()
        return room
    return _lacking(sys.modules[__name__], name)


def _lacking(room: ModuleType, name: str) -> Any:
    """Refuse a name that a room lacks, with the one that was probably meant."""
    from scgnn_tools._choices import did_you_mean

    msg = f"module {room.__name__!r} has no attribute {name!r}.{did_you_mean(name, getattr(room, '__all__', ()))}"
    raise AttributeError(msg)


class _Package(ModuleType):
    """The package, whose rooms suggest names however they are imported first."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ROOMS and isinstance(value, ModuleType):
            vars(value).setdefault("__getattr__", partial(_lacking, value))
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let functions that use the package travel to other processes (dask, Ray, joblib): they import it there, as any module."""
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
