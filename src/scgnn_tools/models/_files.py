"""Folders of trained models: written whole or not at all, checked when they are read."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import _checkpoint


def write_folder(
    folder: str | Path, cls: str, tensors: dict[str, np.ndarray], about: dict[str, Any], *, overwrite: bool
) -> None:
    """Write tensors, a ``history`` and what else JSON can hold under another name, then rename.

    Raises
    ------
    InputValueError
        If the folder is there and ``overwrite`` is not set.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not overwrite:
        msg = f"{folder} is there already. Pass another folder, or overwrite=True."
        raise InputValueError(msg)
    history = about["history"].astype(object)
    rows = {"columns": list(history.columns), "rows": history.where(history.notna(), None).to_numpy().tolist()}
    about = {**about, "class": cls, "shapes": {k: list(v.shape) for k, v in tensors.items()}, "history": rows}
    part, old = (folder.with_name(f".{folder.name}.{what}") for what in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)
    try:
        _checkpoint.save(part, tensors, about)
        if folder.exists():  # which is gone only when the new one is in its place
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def read_folder(folder: str | Path, cls: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`write_folder` wrote.

    Raises
    ------
    WeightsError
        If it is damaged or of another class.
    """
    folder = Path(folder).expanduser()
    raw = _checkpoint.read_raw(folder) if _checkpoint.is_own(folder) else {}
    shapes = {k: tuple(v) for k, v in raw.get("shapes", {}).items()}
    tensors, about = _checkpoint.load(folder, shapes)
    if about.get("class") != cls:
        msg = f"{folder} holds a {printable(about.get('class'))}; {cls} was asked for."
        raise WeightsError(msg)
    about["history"] = pd.DataFrame(about["history"]["rows"], columns=about["history"]["columns"]).infer_objects()
    return tensors, about
