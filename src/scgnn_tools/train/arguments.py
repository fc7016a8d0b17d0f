"""What every ``train()`` takes, in scvi-tools' words: checked once, before any work."""

import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch
from torch import nn

from scgnn_tools._choices import choice, integer, number, share
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._write import as_path
from scgnn_tools.store import forget

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Devices = int | list[int] | str
LAST = "last.safetensors"
"""Name of the state of a full-batch training in its folder."""

ACCELERATORS = {"auto": "auto", "cpu": "cpu", "gpu": "cuda", "cuda": "cuda", "mps": "mps"}

NUMBERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("max_epochs", "patience", "batch_size", "max_tokens"), integer),
    "warmup": partial(integer, least=0),
    "lr": partial(number, above=0),
    "weight_decay": partial(number, least=0),
    "share": share,
}
"""By argument, the check of a number."""


def checked(train: Callable[P, R]) -> Callable[P, R]:
    """Let ``train`` refuse what no training can have: a flag is a flag, and None is for what it has None for unasked."""
    defaults = {name: p.default for name, p in inspect.signature(train).parameters.items()}

    @wraps(train)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in {**dict(zip(defaults, args, strict=False)), **kwargs}.items():
            if isinstance(defaults.get(name), bool):
                choice(name, value, (True, False))
            elif name in defaults and name in NUMBERS:
                NUMBERS[name](name, value, or_none=defaults[name] is None)
        return train(*args, **kwargs)

    return inner


OF_TRAIN = {
    "device": "accelerator",
    "devices": "devices",
    "checkpoint": "folder",
    "folder": "folder",
    "resume": "resume",
}
"""Options of methods that a model class takes in :meth:`train`, and their word there."""


def refuse_of_train(who: str, options: Iterable[str]) -> None:
    """Refuse, in the constructor of a model, what says where it trains and where the state of that is kept."""
    for name in options:
        if name in OF_TRAIN:
            msg = f"{name} is no option of {who}. Pass {OF_TRAIN[name]}= to train()."
            raise InputValueError(msg)


def need_training(model: object, part: T | None) -> T:
    """Return what training gives a model, which is None before."""
    if part is None:
        msg = f"This {type(model).__name__} is not trained. Call train() first."
        raise InputValueError(msg)
    return part


def one_device(who: str, accelerator: str, devices: Any, *, here: torch.device | None = None) -> torch.device:
    """Return the device that a model trains on which trains on one.

    Parameters
    ----------
    who
        The model's name.
    accelerator, devices
        As given: "auto", "cpu", "gpu" or "mps"; "auto", 1 or the number of a device in a list.
    here
        Where the model is, which "auto" leaves it; None takes a GPU if there is one.
    """
    choice("accelerator", accelerator, tuple(ACCELERATORS))
    index = devices[0] if isinstance(devices, list | tuple) and len(devices) == 1 else None
    if index is None and (isinstance(devices, bool) or devices not in ("auto", 1, "1")):
        msg = f"{who} trains on one device: devices is 'auto', 1 or the number of one in a list, such as [0]; got {devices!r}."
        raise InputValueError(msg)
    if index is None:
        return here if accelerator == "auto" and here is not None else resolve_device(ACCELERATORS[accelerator])
    integer("devices[0]", index, least=0)
    kind = resolve_device(ACCELERATORS[accelerator]).type
    return resolve_device(f"{kind}:{index}" if kind == "cuda" else kind)


def several_devices(who: str, accelerator: str, devices: Any, *, here: torch.device) -> tuple[torch.device, int]:
    """Return the kind of device, and how many, of a model that can train on several."""
    many = devices.isdecimal() and devices != "1" if isinstance(devices, str) else isinstance(devices, int | float)
    if not many or devices == 1:
        return one_device(who, accelerator, devices, here=here), 1
    count = integer("devices", float(devices))
    return one_device(who, accelerator, "auto", here=here), count


def state_path(folder: str | Path | None, *, resume: bool) -> Path | None:
    """Return where the state of a full-batch training is kept; without ``resume`` the one that is there is forgotten."""
    choice("resume", resume, (True, False))
    if folder is None:
        return None
    at = as_path("folder", folder)
    if not resume:
        forget(at)
    return at / LAST


@contextmanager
def given_or_temporary(folder: str | Path | None) -> Iterator[Path]:
    """Give the folder, or one that is gone afterwards."""
    if folder is not None:
        yield as_path("folder", folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def move(model: "NetworkModel", device: torch.device) -> None:
    """Bring a model, and the tables that it holds beside its network, to a device."""
    if model.device == device:
        return
    for name, value in vars(model).items():
        if isinstance(value, nn.Module | torch.Tensor):
            setattr(model, name, value.to(device))
    model.device = device


def from_device(device: Any) -> dict[str, Any]:
    """Return the words of today for ``device=`` of the release before."""
    kind, _, index = str(device).partition(":")
    words: dict[str, Any] = {"accelerator": "gpu" if kind == "cuda" else kind}
    return words | ({"devices": [int(index)]} if index.isdecimal() else {})


def from_ckpt_path(value: Any) -> dict[str, Any]:
    """Return the words of today for ``ckpt_path=`` of the release before."""
    if value not in ("last", None):
        msg = f"ckpt_path was 'last' or None; got {value!r}. Pass resume=True or resume=False."
        raise InputValueError(msg)
    return {"resume": value == "last"}
