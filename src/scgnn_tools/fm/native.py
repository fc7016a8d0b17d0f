"""Published checkpoints: read without running anything that is in them, and fitted to a network strictly."""

import argparse
import pickle  # noqa: TID251 - for the name of its error
import re
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scgnn_tools._errors import WeightsError, warn
from scgnn_tools._log import printable
from scgnn_tools.fm import drafts
from scgnn_tools.fm._fetched import check_file
from scgnn_tools.fm._sources import SOURCES

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scgnn_tools.fm._card import ModelCard

C = TypeVar("C")
N = TypeVar("N", bound="nn.Module")
ONE_AT_A_TIME = threading.Lock()
"""PyTorch keeps the names that a checkpoint may hold for the whole process: a second thread would take them away from the first."""


def read_tensors(path: Path) -> Any:
    """Return what a ``.pt``, ``.pth``, ``.ckpt``, ``.bin`` or ``.safetensors`` file holds; tensors stay on disk until they are used.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or not what was downloaded, or if it would run code when read.
    """
    import torch
    from safetensors.torch import load_file

    check_file(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with (
            ONE_AT_A_TIME,
            torch.serialization.safe_globals([argparse.Namespace, *_numpy_globals()]),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)  # read or refused, both are said
            mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)  # noqa: TID251 - tensors only
    except pickle.UnpicklingError as error:
        msg = (
            f"{path} was not read: {printable(error, limit=200)}. Only tensors, numbers, text and containers of them are read from a "
            "pickle, because anything else could run code. If you trust its source, save its tensors as safetensors yourself."
        )
        raise WeightsError(msg) from error
    # what is damaged can fail anywhere in PyTorch's reader; nothing of ours runs in it
    except Exception as error:
        msg = f"{path} is truncated or damaged: {printable(error, limit=200)}. Fetch it again and compare its size and sha256."
        raise WeightsError(msg) from error


def _numpy_globals() -> list[Any]:
    import numpy._core.multiarray as multiarray

    # the scalar types' dtypes are classes of their own
    kinds = [type(np.dtype(t)) for t in (np.float64, np.float32, np.int64, np.int32, np.int16, np.bool_)]
    return [multiarray.scalar, np.dtype, np.ndarray, multiarray._reconstruct, *kinds]  # type: ignore[attr-defined]


def state_dict(content: Any, path: Path, *keys: str) -> dict[str, "Tensor"]:
    """Return the tensors of what a file held, out of the wrappings that training code puts around them."""
    for key in (*keys, "model_state_dict", "state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {str(k): v for k, v in content.items() if hasattr(v, "shape")} if isinstance(content, Mapping) else {}
    if not tensors:
        msg = f"{path} holds no tensors by name, but a {type(content).__name__}; a state dict is wanted."
        raise WeightsError(msg)
    odd = [f"{printable(name)} is {what}" for name, t in tensors.items() if (what := _odd(t))]
    if odd:
        msg = f"{path} holds tensors that are no plain arrays of numbers: {_some(odd)}. Save them as such."
        raise WeightsError(msg)
    return tensors


def _odd(tensor: "Tensor") -> str | None:
    """Say what is unusual about a tensor: it holds no numbers, or not as many as it claims."""
    import torch

    if not isinstance(tensor, torch.Tensor):
        return f"a {type(tensor).__name__}"
    if tensor.is_quantized:
        return f"quantised ({tensor.dtype})"
    if tensor.layout != torch.strided:
        return f"sparse ({tensor.layout})"
    if tensor.is_meta:
        return "on the meta device, without numbers"
    if tensor.is_complex():
        return f"complex ({tensor.dtype})"
    if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
        return f"of shape {tuple(tensor.shape)}, of which the file holds {tensor.untyped_storage().nbytes():,} bytes"
    return None


def needs_checkpoint(checkpoint: Path | None, card: "ModelCard", what: str) -> Path:
    """Return the path, or say where the weights are to be had."""
    if checkpoint is None:
        how = (
            f"`sgt download {card.name}` fetches its weights; or get them from"
            if card.name in SOURCES
            else "Get its weights:"
        )
        msg = f"{card.title} is not bundled (licence: {card.licence}). {how} {card.weights}, and pass checkpoint=: {what}."
        raise WeightsError(msg)
    if not checkpoint.exists():
        msg = f"There is no {checkpoint}. Pass checkpoint=: {what}."
        raise WeightsError(msg)
    return checkpoint


def find(folder: Path, patterns: Iterable[str], argument: str) -> Path | None:
    """Return the file of ``folder`` that fits a glob pattern; of several, ask which.

    Parameters
    ----------
    folder
        Where to look.
    patterns
        What its name is like.
    argument
        What a caller passes to choose.
    """
    found = sorted({p for pattern in patterns for p in folder.glob(pattern)})
    if len(found) > 1:
        names = ", ".join(printable(p.name) for p in found[:6])
        msg = f"{len(found)} files of {folder} fit: {names}. Say which: pass {argument.format(found[0])}."
        raise WeightsError(msg)
    return found[0] if found else None


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


def build(
    make: Callable[[C], N],
    config: C,
    tensors: Mapping[str, "Tensor"],
    *,
    source: Path,
    optional: Iterable[str] = (),
    ignored: Mapping[str, str] | None = None,
) -> tuple[N, dict[str, str]]:
    """Return the network of a configuration with tensors in it, strictly; sizes are compared before it is made.

    Parameters
    ----------
    make
        Gives the network of a configuration.
    config
        A dataclass of sizes.
    tensors
        By the network's own names.
    source
        The file, for messages.
    optional
        Beginnings of names: parts of the network that may be absent as a whole.
    ignored
        Patterns of tensors that are known and not used, and why.

    Returns
    -------
    network, report
        The report has one line a tensor: read, absent, not used and why.

    Raises
    ------
    WeightsError
        If a size is no size, or a tensor missing, misshaped, of no number type or not finite.

    Warns
    -----
    SgtWarning
        If there are tensors that nobody knows.
    """
    shapes = drafts.draft(make, config, {n: t.shape for n, t in tensors.items()}, source)
    absent = tuple(p for p in optional if not any(n.startswith(p) for n in tensors))
    _compare(shapes, tensors, absent, source)
    network = make(config)
    report, state = OrderedDict(), {}
    for name, parameter in network.state_dict().items():
        if name in tensors:
            state[name] = _as(tensors[name], parameter, f"{source}: {name}")
            report[name] = f"read, {tuple(parameter.shape)}"
        else:
            state[name] = parameter
            report[name] = "absent; this part of the network is not in the checkpoint"
    for name in tensors:
        if name not in shapes:
            why = next((w for p, w in (ignored or {}).items() if re.match(p, name)), None)
            report[name] = f"not used: {why}" if why else "not used: unknown to this network"
    network.load_state_dict(state, assign=True)
    extra = unknown(report)
    if extra:
        msg = (
            f"{source} holds {len(extra)} tensors that this network does not know and does not use: {_some(extra)}. Its vectors may "
            "differ from those of the code that wrote it; model.report lists every tensor."
        )
        warn(msg)
    return network, dict(report)


def _compare(
    shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, "Tensor"], absent: tuple[str, ...], source: Path
) -> None:
    missing = [n for n in shapes if n not in tensors and not n.startswith(absent or ("\0",))]
    wrong = [
        f"{name} has {tuple(tensors[name].shape)}, wanted {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    known, digits = {re.sub(r"\d+", "#", n) for n in shapes}, re.compile(r"\d+")
    more = [n for n in tensors if n not in shapes and digits.sub("#", n) in known]
    if more and not missing:
        msg = (
            f"{source} holds more layers than its configuration speaks of: {_some(more)}. Nothing was loaded: a network without its last "
            "layers gives vectors that look right and are not."
        )
        raise WeightsError(msg)
    if missing or wrong:
        msg = f"{source} does not fit the network."
        if missing:
            msg += f" {len(missing)} of {len(shapes)} tensors are missing: {_some(missing)}."
        if wrong:
            msg += f" {len(wrong)} are wrong: {_some(wrong)}."
        msg += " Nothing was loaded: a network with random parts gives vectors that look right and are not."
        raise WeightsError(msg)


def _as(tensor: "Tensor", parameter: "Tensor", what: str) -> "Tensor":
    """Return a tensor in the type of the network's own; refuse what would be another number there."""
    import torch

    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    if parameter.is_floating_point() and tensor.dtype not in kinds:
        msg = f"{what} is {tensor.dtype}; floating-point numbers (float16, bfloat16, float32, float64) are wanted. Nothing was loaded."
        raise WeightsError(msg)
    if not parameter.is_floating_point() and (tensor.is_floating_point() or tensor.dtype == torch.bool):
        msg = f"{what} is {tensor.dtype}; whole numbers ({parameter.dtype}) are wanted. Nothing was loaded."
        raise WeightsError(msg)
    out = tensor.to(parameter.dtype)
    if out.is_floating_point() and not bool(torch.isfinite(out).all()):
        msg = f"{what} holds NaN or infinity. Nothing was loaded."
        raise WeightsError(msg)
    return out


def unknown(report: Mapping[str, str]) -> list[str]:
    """Return the tensors of a report that nobody knows."""
    return [name for name, line in report.items() if line.endswith("unknown to this network")]


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
