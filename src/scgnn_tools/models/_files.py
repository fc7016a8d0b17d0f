"""Folders of trained models: written whole or not at all, checked when they are read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path
from scgnn_tools.fm import saves
from scgnn_tools.train.saving import raw_of


def write_folder(
    folder: str | Path,
    cls: str,
    tensors: dict[str, np.ndarray],
    about: dict[str, Any],
    *,
    overwrite: bool,
    beside: Callable[[Path], object] = lambda folder: None,
) -> None:
    """Write tensors, a ``history``, what else JSON can hold, and what ``beside`` writes into the folder that it is given.

    Raises
    ------
    InputValueError
        If the folder is there and ``overwrite`` is not set.
    """
    history = about["history"].astype(object)
    rows = {"columns": list(history.columns), "rows": history.where(history.notna(), None).to_numpy().tolist()}
    about = {**about, "class": cls, "shapes": {k: list(v.shape) for k, v in tensors.items()}, "history": rows}
    saves.save(folder, tensors, about, beside=beside, overwrite=overwrite)


@contextmanager
def reading(folder: str | Path, cls: str) -> Iterator[tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """Give the tensors and words that :func:`write_folder` wrote, to be put into a new object inside the block.

    Raises
    ------
    WeightsError
        If the folder is damaged or of another class, or its parts do not fit each other.
    """
    folder = as_path("folder", folder)
    content = _read(folder, cls)
    with saves.understood(folder, f"{cls} that fits together"):
        yield content


def _read(folder: Path, cls: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    raw = raw_of(folder, cls)
    try:
        shapes = {k: tuple(v) for k, v in raw["shapes"].items()}
        history = pd.DataFrame(raw["history"]["rows"], columns=raw["history"]["columns"]).infer_objects()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{folder} lacks shapes or history of a {cls} ({printable(error)}). Save the model again."
        raise WeightsError(msg) from error
    tensors, about = saves.load(folder, shapes)
    return tensors, {**about, "history": history}
