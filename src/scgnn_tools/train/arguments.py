"""What every ``train()`` takes, in scvi-tools' words: checked once, before any work."""

import inspect
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from scgnn_tools._asked import asked
from scgnn_tools._choices import choice, integer, number, share
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._write import as_path
from scgnn_tools.store import forget

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

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


class Checked:
    """A model class: each of its public methods looks at its arguments before any work, also at the numbers of a training."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, value in list(vars(cls).items()):
            method = getattr(value, "__func__", value)  # of a class method
            if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
                made = asked(method, NUMBERS)
                setattr(cls, name, classmethod(made) if isinstance(value, classmethod) else made)


OF_TRAIN = {
    "device": "accelerator",
    "devices": "devices",
    "checkpoint": "folder",
    "folder": "folder",
    "resume": "resume",
}
"""Options of methods that a model class takes in :meth:`train`, and their word there."""

MOVED = ("max_epochs", "patience", "batch_size")
"""Options of methods that constructors took in the release before, and :meth:`train` now takes alone."""


def refuse_of_train(who: str, options: Mapping[str, Any], *, moved: Collection[str] = MOVED) -> None:
    """Refuse, in the constructor of a model, how and where it trains; what is in ``moved`` holds for one more release, with a warning."""
    for name, value in options.items():
        if name in moved:
            words = from_device(value) if name == "device" else {name: value}
            shown = ", ".join(f"{k}={v!r}" for k, v in words.items())
            if name == "patience" and value is None:  # no early stopping to some methods, the usual one to others
                shown = "early_stopping=False, if all epochs are meant,"
            msg = f"{name}= of {who} goes in the next release; pass {shown} to {who}.train()."
            warn(msg, FutureWarning)
        elif name in OF_TRAIN:
            msg = f"{name} is no option of {who}. Pass {OF_TRAIN[name]}= to train()."
            raise InputValueError(msg)


def need_cells(adata: T | None, own: T | None) -> T:
    """Return the cells that are asked about: those that are given, or else the model's own."""
    out = own if adata is None else adata
    if out is None:
        msg = "There are no cells: pass adata, here or to load()."
        raise InputValueError(msg)
    return out


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
    is_one = isinstance(devices, str | Real) and not isinstance(devices, bool) and devices in ("auto", 1, "1")
    if index is None and not is_one:
        msg = f"{who} trains on one device: devices is 'auto', 1 or the number of one in a list, such as [0]; got {devices!r}."
        raise InputValueError(msg)
    if index is None:
        return (
            here
            if accelerator == "auto" and here is not None
            else resolve_device(ACCELERATORS[accelerator], name="accelerator")
        )
    integer("devices[0]", index, least=0)
    kind = resolve_device(ACCELERATORS[accelerator], name="accelerator").type
    return resolve_device(f"{kind}:{index}" if kind == "cuda" else kind, name="devices")


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
    if value is not None and not (isinstance(value, str) and value == "last"):
        msg = f"ckpt_path was 'last' or None; got {value!r}. Pass resume=True or resume=False."
        raise InputValueError(msg)
    return {"resume": value == "last"}
