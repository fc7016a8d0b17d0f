"""All foundation models: one line each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scgnn_tools._choices import did_you_mean
from scgnn_tools._device import resolve_device
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError, SgtError, WeightsError
from scgnn_tools._log import printable
from scgnn_tools._methods import check_options
from scgnn_tools._write import as_path
from scgnn_tools.fm import saves
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._refused import check_kind, options_of
from scgnn_tools.fm.dictionaries import read_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Entry:
    """A model: where it lives, and what that module has.

    Attributes
    ----------
    module
        Has ``card()`` and ``load(checkpoint, assets, **options)``.
    published
        Others publish its weights: the module has ``recognises(path)`` and ``ASSETS``, the roles of files beside a checkpoint, too.
    """

    module: str
    published: bool = True


# of the bundled ones, "auto" takes the first
MODELS = {
    "cgc-mini": Entry("scgnn_tools.fm.cgc_mini", published=False),
    "corpus-svd": Entry("scgnn_tools.fm.corpus_svd", published=False),
    "scgpt": Entry("scgnn_tools.fm.scgpt"),
    "geneformer": Entry("scgnn_tools.fm.geneformer"),
    "scfoundation": Entry("scgnn_tools.fm.scfoundation"),
    "scbert": Entry("scgnn_tools.fm.scbert"),
    "cgc": Entry("scgnn_tools.fm.cgc"),
    "scnetformer": Entry("scgnn_tools.fm.scnetformer", published=False),
}

DAMAGED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    OSError,
    RuntimeError,
    EOFError,
    MemoryError,
)
"""What code that reads a file can raise on one that nobody thought of; the checks before it say more."""


@door
def best_bundled() -> str:
    """Return the name of the bundled model that ``model="auto"`` takes.

    Examples
    --------
    >>> sgt.fm.best_bundled()
    'cgc-mini'
    """
    return next(name for name in MODELS if card(name).bundled)


@door
def list_models() -> "pd.DataFrame":
    """Return a table of all models, indexed by name: kind, licence, organism, input, dimension, genes, limits, ….

    It prints a few of its columns, so that a row fits into a line; the others are there, and on the :func:`card`.

    Examples
    --------
    >>> "scgpt" in sgt.fm.list().index
    True
    """
    import pandas as pd

    from scgnn_tools.fm._table import ModelTable

    return ModelTable(pd.DataFrame([card(name).as_dict() for name in MODELS]).set_index("name"))


@door
def card(name: str) -> ModelCard:
    """Return the card of a model: its licence, weights, input, and limits.

    Examples
    --------
    >>> card = sgt.fm.card("scgpt")
    >>> card.licence
    'MIT...'
    """
    return import_module(_entry(name).module).card()


@door
def load(
    name: str,
    *,
    checkpoint: str | Path | None = None,
    assets: "Mapping[str, str | Path] | None" = None,
    **options: Any,
) -> FoundationModel:
    """Load a foundation model, a bundled one or one from a checkpoint.

    Parameters
    ----------
    name
        As in ``fm.list()``.
    checkpoint
        Weights in the model's own published format, or a folder that ``model.save(folder)`` wrote; None takes the bundled weights.
    assets
        Files that are not beside the checkpoint, by role; which roles a model has stands on its page (:doc:`/models/index`).
    options
        Of the model: how it tokenises and pools, and for networks ``device`` and ``precision``.

    Raises
    ------
    InputValueError
        If there is no such model, asset or option; the message names those that exist.
    WeightsError
        If the checkpoint is missing, damaged or incomplete.

    Examples
    --------
    >>> model = sgt.fm.load("cgc-mini")
    >>> sgt.tl.embed(adata, model)
    >>> model = sgt.fm.load("scgpt", checkpoint="scGPT_human", device="cpu")  # doctest: +SKIP
    """
    entry = _entry(name)
    module = import_module(entry.module)
    roles = module.ASSETS if entry.published else ()
    if assets is not None and not isinstance(assets, Mapping):
        shown = ", ".join(f"{role!r}: path" for role in roles[:1])
        msg = f"assets is a dict of files by role{f', such as {{{shown}}}' if roles else ''}; got {printable(repr(assets))}."
        raise InputTypeError(msg)
    unknown = sorted(set(assets or {}) - set(roles), key=str)
    if unknown:
        msg = f"{name} has no asset {printable(unknown[0])!r}; its assets are: {', '.join(roles) or 'none'}."
        raise InputValueError(msg)
    paths = {role: as_path(f"assets[{role!r}]", path) for role, path in (assets or {}).items()}
    if card(name).kind == "linear":
        options = _without_device(name, options)
    path = None if checkpoint is None else as_path("checkpoint", checkpoint)
    if path is not None:
        check_kind(path, name)
    try:
        return module.load(path, paths, **options)
    except WeightsError as error:
        if path is None or saves.is_own(path) or len(other := _recognised(path)) != 1 or other[0] == name:
            raise
        msg = f"{path} holds a checkpoint of {other[0]}; {name!r} was asked for. Load it with {other[0]!r} as the name."
        raise WeightsError(msg) from error
    except SgtError:
        raise
    except DAMAGED as error:
        wrong = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if wrong is not None and wrong[1] in options:
            check_options(name, [wrong[1]], options_of(module))
        if checkpoint is None:
            raise
        msg = (
            f"{printable(checkpoint)} is no sound checkpoint of {name} ({type(error).__name__}: {printable(error, limit=200)}). "
            "Fetch or save it again."
        )
        raise WeightsError(msg) from error


def _without_device(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return options without the device and precision of a linear map, which runs on the CPU in float32 whatever the others do."""
    device, precision = options.get("device", "auto"), options.get("precision", "auto")
    resolve_device(device)  # one that is not there is an error for every model
    if precision not in ("auto", "float32"):
        msg = f"{name} is a linear map, computed in float32; got precision={precision!r}. Leave it out."
        raise InputValueError(msg)
    return {k: v for k, v in options.items() if k not in ("device", "precision")}


@door
def convert(source: str | Path, target: str | Path, *, model: str | None = None, **options: Any) -> FoundationModel:
    """Write a published checkpoint as safetensors and JSON, which load at once and hold no pickle.

    Parameters
    ----------
    source
        A checkpoint in a published format.
    target
        A new folder.
    model
        Name of the model; None finds it out from the files.
    options
        As in :func:`load`, ``assets`` included.

    Returns
    -------
    FoundationModel
        The loaded model; ``fm.load(name, checkpoint=target)`` gives the same.

    Examples
    --------
    >>> sgt.fm.convert("scGPT_human", "scgpt")  # doctest: +SKIP
    >>> sgt.tl.embed(adata, "scgpt", checkpoint="scgpt")  # doctest: +SKIP
    """
    source, target = as_path("source", source), as_path("target", target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        msg = f"{target} is there already; give the path of a new folder."
        raise InputValueError(msg)
    loaded = load(model or recognise(source), checkpoint=source, **options)
    loaded.save(target)
    return loaded


@door
def recognise(path: str | Path) -> str:
    """Return the name of the model that a checkpoint is of: a published one, or a folder that ``model.save`` wrote.

    Examples
    --------
    >>> sgt.fm.load("cgc-mini").save("my_model")
    >>> sgt.fm.recognise("my_model")
    'cgc-mini'
    """
    path = as_path("checkpoint", path)
    if saves.is_own(path):
        return str(read_json(path / saves.CONFIG).get("model", ""))
    found = _recognised(path)
    if len(found) != 1:
        seen = ", ".join(found) or "none fits"
        msg = (
            f"{path} is not recognised as a checkpoint of one model ({seen}). Pass model=, one of {', '.join(MODELS)}."
        )
        raise InputValueError(msg)
    return found[0]


def _recognised(path: Path) -> list[str]:
    """Return the models that publish checkpoints of this form."""
    return [n for n, e in MODELS.items() if e.published and import_module(e.module).recognises(path)]


def _entry(name: str) -> Entry:
    if not isinstance(name, str) or name not in MODELS:
        hint = did_you_mean(name, MODELS)
        msg = f"There is no model {printable(name)!r}; the models are {', '.join(MODELS)} (see sgt.fm.list()).{hint}"
        raise InputValueError(msg)
    return MODELS[name]
