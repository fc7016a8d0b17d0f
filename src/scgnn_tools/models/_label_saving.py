"""A trained model that labels cells on disk: its method, what was registered, and the tuned networks among its options."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools._write import as_path
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import label_method
from scgnn_tools.models import _scvi
from scgnn_tools.models._files import reading, write_folder
from scgnn_tools.train import FineTuner

if TYPE_CHECKING:
    from scgnn_tools.models._cell_labels import CellLabelModel

PLAIN = (str, int, float, bool, list, type(None))
"""Options that JSON can hold."""


def save(model: "CellLabelModel", fitted: Any, folder: str | Path, *, overwrite: bool) -> None:
    """Write a model that is trained; ``fitted`` is its method."""
    tensors, config = fitted.state()
    reader, options = model._reader, model._options
    kept = {k: v for k, v in options.items() if isinstance(v, PLAIN)}
    tuners = {k: v for k, v in options.items() if isinstance(v, FineTuner)}
    about = {
        "setup": reader.setup.to_json(),
        "classes": list(model.classes),
        "options": kept,
        "saved_beside": sorted(tuners),
        "given_again": sorted(set(options) - set(kept) - set(tuners)),
        "seed": model._seed,
        "use_rep": reader.use_rep,
        "vectors": None if reader.use_rep else reader.foundation().card.name,
        "temperature": model._temperature,
        "method": config,
        "history": model.history,
    }

    def beside(part: Path) -> None:
        for name, tuner in tuners.items():
            tuner.save(part / name)

    write_folder(folder, type(model).__name__, tensors, about, overwrite=overwrite, beside=beside)


def restore(
    out: "CellLabelModel", folder: str | Path, model: FoundationModel | None, device: str, options: dict[str, Any]
) -> None:
    """Put what :func:`save` wrote into a new object.

    Parameters
    ----------
    out
        The new object.
    folder
        What :func:`save` wrote.
    model
        The foundation model of the vectors, if it is no bundled one.
    device
        Where to compute.
    options
        Those that no file holds.
    """
    path, cls = as_path("folder", folder), type(out).__name__
    with reading(path, cls) as (tensors, about):
        if set(about["given_again"]) != set(options):
            wanted = ", ".join(f"{o}=" for o in about["given_again"]) or "no options"
            msg = f"{folder} wants the options that no file holds, as in training: pass {wanted}."
            raise InputValueError(msg)
        beside = {name: FineTuner.load(path / name, device=device) for name in about.get("saved_beside", [])}
        name, options = about["vectors"], {**about["options"], **beside, **options}
        if model is not None and name != model.card.name:
            msg = f"{path} was trained on vectors of {name}; model= is {model.card.name}."
            raise InputValueError(msg)
        out._prepare(_scvi.Setup(**about["setup"]), about["use_rep"], model or name, about["seed"], options)
        fitted: Any = label_method(out.method, device=device, **options)
        fitted.restore(tensors, about["method"])
        out._fitted, out._temperature = fitted, float(about["temperature"])
        out.classes, out.history = np.array(about["classes"], dtype=object), about["history"]
        if len(out.classes) < 2 or not set(about["classes"]) <= set(out._reader.setup.classes):
            msg = "its classes are not among those that it was set up with"
            raise ValueError(msg)
