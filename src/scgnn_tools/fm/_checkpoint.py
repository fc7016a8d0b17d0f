"""Own checkpoints: tensors as safetensors, the rest as JSON, checked by sha256. No pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scgnn_tools._errors import WeightsError
from scgnn_tools._write import write_whole

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
CONFIG, TENSORS = "config.json", "model.safetensors"


def save(folder: Path, tensors: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Write ``config.json`` and ``model.safetensors`` into ``folder``, each under a temporary name first."""
    from safetensors.numpy import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    content = to_bytes({k: np.asarray(v, order="C") for k, v in tensors.items()})
    config = {**config, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    for name, data in ((TENSORS, content), (CONFIG, text.encode())):
        write_whole(folder / name, partial(_write_bytes, data))


def _write_bytes(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def load(folder: Path, shapes: Mapping[str, tuple[int | None, ...]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a checkpoint written by :func:`save`.

    Parameters
    ----------
    folder
        Folder with ``config.json`` and ``model.safetensors``.
    shapes
        The tensors that are wanted, with their shapes; None stands for any length.

    Returns
    -------
    tensors, config

    Raises
    ------
    WeightsError
        If a file is missing, truncated or changed, a tensor missing, unwanted, misshaped or not finite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            msg = f"{folder} holds no {name}. Pass the folder that model.save() wrote."
            raise WeightsError(msg)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{folder / CONFIG} is no JSON ({error}). Save the model again."
        raise WeightsError(msg) from error
    content = (folder / TENSORS).read_bytes()
    seen = hashlib.sha256(content).hexdigest()
    if seen != config.get("sha256"):
        msg = f"{folder / TENSORS} is damaged or was changed: sha256 {seen[:12]}, wanted {str(config.get('sha256'))[:12]}."
        raise WeightsError(msg)
    try:
        tensors = from_bytes(content)
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        msg = f"{folder / TENSORS} is no safetensors file: {error}"
        raise WeightsError(msg) from error
    _check(tensors, shapes, folder)
    return tensors, config


def is_own(folder: Path) -> bool:
    """Tell whether a folder was written by :func:`save`."""
    try:
        return "sha256" in json.loads((folder / CONFIG).read_text(encoding="utf-8")) and (folder / TENSORS).is_file()
    except (OSError, ValueError, TypeError):
        return False


def read_raw(folder: Path) -> dict[str, Any]:
    """Return ``config.json``."""
    return json.loads((folder / CONFIG).read_text(encoding="utf-8"))


def read_config(folder: Path, model: str, kind: type[T]) -> tuple[T, dict[str, Any]]:
    """Return the sizes of a network and the rest of ``config.json``, of a folder that ``model.save`` wrote."""
    raw = read_raw(folder)
    if raw.get("model") != model:
        msg = f"{folder} holds a model {raw.get('model')!r}; {model!r} was asked for."
        raise WeightsError(msg)
    try:
        return kind(**{f.name: raw[f.name] for f in fields(kind)}), raw  # type: ignore[arg-type]
    except KeyError as error:
        msg = f"{folder / CONFIG} lacks {error}. Save the model again."
        raise WeightsError(msg) from error


def load_into(network: "nn.Module", folder: Path) -> dict[str, str]:
    """Put the tensors of a folder into a network, all of them and no others; return the report."""
    import torch

    tensors, _ = load(folder, {name: tuple(t.shape) for name, t in network.state_dict().items()})
    network.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()}, assign=True)
    return {name: f"read, {t.shape}" for name, t in tensors.items()}


def _check(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int | None, ...]], folder: Path) -> None:
    missing, unread = sorted(set(shapes) - set(tensors)), sorted(set(tensors) - set(shapes))
    if missing or unread:
        msg = f"{folder}: tensors missing: {', '.join(missing) or 'none'}; not wanted: {', '.join(unread) or 'none'}."
        raise WeightsError(msg)
    for name, wanted in shapes.items():
        shape = tensors[name].shape
        fits = len(shape) == len(wanted) and all(w is None or w == s for w, s in zip(wanted, shape, strict=True))
        if not fits:
            msg = f"{folder}: tensor {name} has shape {shape}, wanted {wanted} (None: any length)."
            raise WeightsError(msg)
        if tensors[name].dtype.kind == "f" and not np.isfinite(tensors[name]).all():
            msg = f"{folder}: tensor {name} holds NaN or infinity."
            raise WeightsError(msg)
