"""Folders of trained models: written whole or not at all, checked when they are read."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import _checkpoint


def write_folder(
    folder: str | Path, cls: str, tensors: dict[str, np.ndarray], about: dict[str, Any], *, overwrite: bool
) -> None:
    """Write tensors and what JSON can hold under another name, then rename.

    Raises
    ------
    InputValueError
        If the folder is there and ``overwrite`` is not set.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not overwrite:
        msg = f"{folder} is there already. Pass another folder, or overwrite=True."
        raise InputValueError(msg)
    about = {**about, "class": cls, "shapes": {k: list(v.shape) for k, v in tensors.items()}}
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        _checkpoint.save(part, tensors, about)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
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
    return tensors, about
