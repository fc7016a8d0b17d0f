"""Published checkpoints: read without running anything that is in them, and fitted to a network strictly."""

import argparse
import hashlib
import json
import pickle  # noqa: TID251 - the one unpickler, which names what a file may name
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import SgtWarning, WeightsError
from scgnn_tools._log import printable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scgnn_tools.fm._card import ModelCard

ALLOWED = {
    ("builtins", "dict"), ("builtins", "list"), ("builtins", "set"), ("builtins", "tuple"),
    ("collections", "OrderedDict"), ("collections", "defaultdict"),
    ("numpy", "dtype"), ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}  # fmt: skip
"""What a pickled dictionary may name: containers, numpy scalars and arrays. Nothing of it runs code of the file."""


def read_tensors(path: Path) -> Any:
    """Return what a ``.pt``, ``.pth``, ``.ckpt``, ``.bin`` or ``.safetensors`` file holds; tensors stay on disk until they are used.

    Raises
    ------
    WeightsError
        If the file is missing or damaged, or if it would run code when read.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _exists(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace, *_numpy_globals()]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)  # read or refused, both are said
            mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)  # noqa: TID251 - tensors only
    except pickle.UnpicklingError as error:
        raise WeightsError(_refused(path, error)) from error
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        msg = f"{path} is truncated or damaged: {printable(error, limit=200)}. Fetch it again and compare its size and sha256."
        raise WeightsError(msg) from error


def read_dictionary(path: Path) -> dict[str, Any]:
    """Return a dictionary that was saved as JSON or as a pickle of plain values."""
    _exists(path)
    try:
        if path.suffix == ".json":
            out = json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open("rb") as file:
                out = _Unpickler(file).load()
    except pickle.UnpicklingError as error:
        raise WeightsError(_refused(path, error)) from error
    except (ValueError, EOFError, OSError, IndexError, KeyError, AttributeError, TypeError) as error:
        msg = f"{path} is truncated or no dictionary: {printable(error, limit=200)}. Fetch it again."
        raise WeightsError(msg) from error
    if not isinstance(out, dict):
        msg = f"{path} holds a {type(out).__name__}; a dictionary is wanted."
        raise WeightsError(msg)
    return out


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            msg = f"it names {module}.{name}"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module, name)


def _numpy_globals() -> list[Any]:
    import numpy._core.multiarray as multiarray

    # the scalar types' dtypes are classes of their own
    kinds = [type(np.dtype(t)) for t in (np.float64, np.float32, np.int64, np.int32, np.int16, np.bool_)]
    return [multiarray.scalar, np.dtype, np.ndarray, multiarray._reconstruct, *kinds]  # type: ignore[attr-defined]


def _refused(path: Path, error: Exception) -> str:
    return (
        f"{path} was not read: {printable(error, limit=200)}. Only tensors, numbers, text and containers of them are read from a "
        "pickle, because anything else could run code. If you trust its source, save its tensors as safetensors yourself."
    )


def _exists(path: Path) -> None:
    if not path.is_file():
        there = (
            ", ".join(sorted(p.name for p in path.parent.iterdir())[:12]) if path.parent.is_dir() else "no such folder"
        )
        msg = f"There is no {path.name} in {path.parent} ({there or 'empty'})."
        raise WeightsError(msg)


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, or say what is wrong with the file."""
    return read_dictionary(path)


def state_dict(content: Any, path: Path, *keys: str) -> dict[str, "Tensor"]:
    """Return the tensors of what a file held, out of the wrappings that training code puts around them."""
    for key in (*keys, "model_state_dict", "state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {str(k): v for k, v in content.items() if hasattr(v, "shape")} if isinstance(content, Mapping) else {}
    if not tensors:
        msg = f"{path} holds no tensors by name, but a {type(content).__name__}; a state dict is wanted."
        raise WeightsError(msg)
    return tensors


def needs_checkpoint(checkpoint: Path | None, card: "ModelCard", what: str) -> Path:
    """Return the path, or say where the weights are to be had."""
    if checkpoint is None:
        msg = f"{card.title} is not bundled (licence: {card.licence}). Get its weights ({card.weights}) and pass checkpoint=: {what}."
        raise WeightsError(msg)
    if not checkpoint.exists():
        msg = f"There is no {checkpoint}. Pass checkpoint=: {what}."
        raise WeightsError(msg)
    return checkpoint


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(folder: Path, patterns: Iterable[str]) -> Path | None:
    """Return the first file of ``folder`` that fits a glob pattern, tried in their order."""
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    return None


def rename(tensors: Mapping[str, "Tensor"], rules: Iterable[tuple[str, str]]) -> dict[str, "Tensor"]:
    """Rename tensors: each rule is a regular expression and its replacement, applied in order."""
    compiled = [(re.compile(pattern), to) for pattern, to in rules]
    out = {}
    for name, tensor in tensors.items():
        new = name
        for pattern, to in compiled:
            new = pattern.sub(to, new)
        out[new] = tensor
    return out


def fuse_qkv(tensors: dict[str, "Tensor"], q: str, k: str, v: str, to: str) -> None:
    """Join three projections into one, in place: ``q``, ``k``, ``v`` and ``to`` are names with ``{}`` for the layer's prefix."""
    import torch

    pattern = re.compile(re.escape(q).replace(re.escape("{}"), "(.*)") + r"\.(weight|bias)$")
    for name in [n for n in tensors if pattern.match(n)]:
        prefix, kind = pattern.match(name).groups()  # type: ignore[union-attr]
        names = [f"{part.format(prefix)}.{kind}" for part in (q, k, v)]
        if all(n in tensors for n in names):
            tensors[f"{to.format(prefix)}.{kind}"] = torch.cat([tensors.pop(n) for n in names])


def fit(
    network: "nn.Module",
    tensors: Mapping[str, "Tensor"],
    *,
    source: Path,
    optional: Iterable[str] = (),
    ignored: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Put tensors into a network, strictly.

    Parameters
    ----------
    network
        Its ``state_dict`` says what is wanted.
    tensors
        What the checkpoint held, under the network's names.
    source
        The file, for messages.
    optional
        Prefixes of parts that a checkpoint may lack as a whole.
    ignored
        Regular expressions of tensors that are known and not used, with the reason.

    Returns
    -------
    dict
        One line a tensor: read, absent, not used and why.

    Raises
    ------
    WeightsError
        If a tensor is missing, misshaped or not finite.

    Warns
    -----
    SgtWarning
        If there are tensors that nobody knows.
    """
    import torch

    wanted = network.state_dict()
    report, state, missing, wrong = OrderedDict(), {}, [], []
    present = {p for p in optional if any(n.startswith(p) for n in tensors)}
    for name, parameter in wanted.items():
        if name not in tensors:
            if any(name.startswith(p) for p in optional if p not in present):
                report[name] = "absent; this part of the network is not in the checkpoint"
                state[name] = parameter
            else:
                missing.append(name)
        elif tensors[name].shape != parameter.shape:
            wrong.append(f"{name} has {tuple(tensors[name].shape)}, wanted {tuple(parameter.shape)}")
        elif tensors[name].is_floating_point() and not bool(torch.isfinite(tensors[name]).all()):
            wrong.append(f"{name} holds NaN or infinity")
        else:
            state[name] = tensors[name].to(parameter.dtype)
            report[name] = f"read, {tuple(parameter.shape)}"
    if missing or wrong:
        msg = f"{source} does not fit the network."
        if missing:
            msg += f" {len(missing)} of {len(wanted)} tensors are missing: {_some(missing)}."
        if wrong:
            msg += f" {len(wrong)} are wrong: {_some(wrong)}."
        msg += " Nothing was loaded: a network with random parts gives vectors that look right and are not."
        raise WeightsError(msg)
    for name in tensors:
        if name not in wanted:
            why = next((w for p, w in (ignored or {}).items() if re.match(p, name)), None)
            report[name] = f"not used: {why}" if why else "not used: unknown to this network"
    network.load_state_dict(state, assign=True)
    extra = unknown(report)
    if extra:
        msg = (
            f"{source} holds {len(extra)} tensors that this network does not know and does not use: {_some(extra)}. Its vectors may "
            "differ from those of the code that wrote it; model.report lists every tensor."
        )
        warnings.warn(msg, SgtWarning, stacklevel=5)
    return dict(report)


def unknown(report: Mapping[str, str]) -> list[str]:
    """Return the tensors of a report that nobody knows."""
    return [name for name, line in report.items() if line.endswith("unknown to this network")]


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
