"""A trained model that labels cells in words: what was registered, its options, and which of them stand in folders of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scgnn_tools._errors import InputValueError
from scgnn_tools._methods import check_options
from scgnn_tools.fm import FoundationModel
from scgnn_tools.models._label_cells import Reader
from scgnn_tools.train import FineTuner

PLAIN = (str, int, float, bool, list, type(None))
"""Options that JSON can hold."""


def tuners_of(options: Mapping[str, Any]) -> dict[str, FineTuner]:
    """Return the options that are tuned networks, each of which is saved in a folder of its name."""
    return {k: v for k, v in options.items() if isinstance(v, FineTuner)}


def words_of(reader: Reader, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON can hold of what was registered and of the options."""
    kept, tuners = {k: v for k, v in options.items() if isinstance(v, PLAIN)}, tuners_of(options)
    return {
        "setup": reader.setup.to_json(),
        "use_rep": reader.use_rep,
        "vectors": None if reader.use_rep else reader.foundation().card.name,
        "options": kept,
        "saved_beside": sorted(tuners),
        "given_again": sorted(set(options) - set(kept) - set(tuners)),
    }


def options_of(
    folder: Path, about: Mapping[str, Any], given: Mapping[str, Any], device: str, *, who: str
) -> dict[str, Any]:
    """Return the options of a model that was saved: its words, the networks beside them, and what no file holds, which is ``given``."""
    check_options(who, given, ["folder", "adata", "model", "device", *about["given_again"]])
    if set(about["given_again"]) != set(given):
        wanted = ", ".join(f"{o}=" for o in about["given_again"])
        msg = f"{folder} wants the options that no file holds, as in training: pass {wanted}."
        raise InputValueError(msg)
    beside = {name: FineTuner.load(folder / name, device=device) for name in about.get("saved_beside", [])}
    return {**about["options"], **beside, **given}


def model_of(folder: Path, about: Mapping[str, Any], given: FoundationModel | None) -> FoundationModel | str | None:
    """Return the foundation model whose vectors a model was trained on, or its name; one that is ``given`` has to be it."""
    name: str | None = about["vectors"]
    if given is not None and name != given.card.name:
        msg = f"{folder} was trained on vectors of {name}; model= is {given.card.name}."
        raise InputValueError(msg)
    return given or name
