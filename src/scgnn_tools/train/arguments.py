"""What every ``train()`` takes, in scvi-tools' words: checked once, before any work."""

import inspect
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch
from torch import nn

from scgnn_tools._choices import choice, integer, number, share, without_numpy
from scgnn_tools._deprecated import old_names
from scgnn_tools._device import resolve_device
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError, warn
from scgnn_tools._methods import check_options
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


def checked(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method of a class refuse, before any work, what no call of it can have; see :class:`Checked`."""
    parameters = dict(list(inspect.signature(method).parameters.items())[1:])  # without the object itself
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    places = [n for n, p in named.items() if p.kind is not p.KEYWORD_ONLY]
    whatever = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    guarded = door(method)

    @wraps(method)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        if not args:  # of the class and not of an object: Python's own words
            return method(*args, **kwargs)
        args, kwargs = (args[0], *map(without_numpy, args[1:])), without_numpy(kwargs)  # type: ignore[assignment]
        given = {**dict(zip(places, args[1:], strict=False)), **kwargs}
        owner: Any = args[0]
        who = owner.__name__ if isinstance(owner, type) else type(owner).__name__
        who = who if method.__name__ == "__init__" else f"{who}.{method.__name__}()"
        if not whatever:
            check_options(who, [n for n in kwargs if n not in old_names(method)], list(named))
        missing = [n for n, p in named.items() if p.default is p.empty and n not in given]
        if missing:
            msg = f"{who} wants {missing[0]}=, which is missing. Pass {', '.join(f'{n}=…' for n in missing)}."
            raise InputTypeError(msg)
        for name in (n for n in named if n in given):
            default, value = named[name].default, given[name]
            if isinstance(default, bool):
                choice(name, value, (True, False))
            elif name in NUMBERS:
                NUMBERS[name](name, value, or_none=default is None)
        return guarded(*args, **kwargs)

    return inner


class Checked:
    """A model class: each of its public methods looks at its arguments before any work.

    A name that a method does not have is an error that says which it has, and so is one that is missing. A flag is a flag, the numbers of
    a training are in their range, and None is for what it has None for unasked. What is of a wrong kind is named where it breaks. Numbers
    and truth values of numpy become Python's own, which any file can hold.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, value in list(vars(cls).items()):
            method = getattr(value, "__func__", value)  # of a class method
            if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
                made = checked(method)
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
    if index is None and (isinstance(devices, bool) or devices not in ("auto", 1, "1")):
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
    if value not in ("last", None):
        msg = f"ckpt_path was 'last' or None; got {value!r}. Pass resume=True or resume=False."
        raise InputValueError(msg)
    return {"resume": value == "last"}
