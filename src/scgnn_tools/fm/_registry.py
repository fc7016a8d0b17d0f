"""All foundation models: one line each."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.fm._base import FoundationModel
from scgnn_tools.fm._card import ModelCard

if TYPE_CHECKING:
    import pandas as pd

# name -> module with CARD() and load(checkpoint); the bundled ones stand in the order of how good they are, best first
MODELS = {
    "corpus-svd": "scgnn_tools.fm.corpus_svd",
}


def best_bundled() -> str:
    """Return the name of the best model that ships in the package: what ``model="auto"`` takes."""
    return next(name for name in MODELS if card(name).bundled)


def list_models() -> "pd.DataFrame":
    """Return a table of all models, indexed by name: kind, licence, organism, input, dimension, genes, limits, …."""
    import pandas as pd

    return pd.DataFrame([card(name).as_dict() for name in MODELS]).set_index("name")


def card(name: str) -> ModelCard:
    """Return the card of a model."""
    return import_module(_module(name)).card()


def load(name: str, *, checkpoint: str | Path | None = None) -> FoundationModel:
    """Load a model.

    Parameters
    ----------
    name
        As in ``fm.list()``.
    checkpoint
        Folder that ``model.save(folder)`` wrote; None takes the bundled weights.

    Raises
    ------
    InputValueError
        If there is no such model; the message names those that exist.
    WeightsError
        If the checkpoint is missing, damaged or incomplete.
    """
    return import_module(_module(name)).load(None if checkpoint is None else Path(checkpoint))


def _module(name: str) -> str:
    if name not in MODELS:
        msg = f"There is no model {printable(name)!r}; the models are {', '.join(MODELS)} (see sgt.fm.list())."
        raise InputValueError(msg)
    return MODELS[name]
