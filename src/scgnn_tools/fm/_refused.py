"""What ``fm.load`` says of a folder of another kind, and of an option that a model lacks."""

import inspect
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import saves
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.fm.dictionaries import read_json

PARTS = ("mapping", "contrast_graph", "genes_network", "text", "own")
"""Arguments of models that are read from a checkpoint, and are no options."""

ON_THE_CPU = ("device", "precision")


def options_of(module: ModuleType) -> list[str]:
    """Return the options of ``fm.load`` for the model of a module, as its classes and its reader have them."""
    cls = get_type_hints(module.load)["return"]
    makers = [c.__init__ for c in cls.__mro__[: cls.__mro__.index(FoundationModel)] if "__init__" in vars(c)]
    out = [
        p.name
        for maker in (module.load, *makers)
        for p in inspect.signature(maker).parameters.values()
        if p.kind is p.KEYWORD_ONLY and p.default is not p.empty and p.name not in PARTS
    ]
    return list(dict.fromkeys([*out, *ON_THE_CPU]))


def check_kind(folder: Path, name: str) -> None:
    """Refuse a folder that another class saved, or another model, and say what reads it.

    Raises
    ------
    WeightsError
        If a save wrote it that is not of the model ``name``.
    """
    if not saves.is_own(folder):
        return
    raw = read_json(folder / saves.CONFIG)
    cls, model = raw.get("class"), raw.get("model")
    if isinstance(cls, str) and cls.isidentifier():
        reads = f"sgt.{'annotation' if cls == 'Annotator' else 'models'}.{cls}.load(folder)"
        msg = f"{folder} holds a {cls}, and no model {name!r} alone. Load it with {reads}."
        raise WeightsError(msg)
    if isinstance(model, str) and model != name:
        msg = f"{folder} holds a model {printable(model)!r}; {name!r} was asked for. Load it with {printable(model)!r} as the name."
        raise WeightsError(msg)
