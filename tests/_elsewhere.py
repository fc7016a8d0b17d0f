"""A second device for machines that have none: its tensors hold their numbers on the processor and say that they are elsewhere.

The device is called "meta". What mixes its tensors with those of the processor, or reads their numbers without moving them first, fails
as it would on a GPU. Kernels, precision and speed of a GPU are not looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE, HERE = torch.device("meta"), torch.device("cpu")
INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
"""Operations that take an index from the processor."""


class Distant(torch.Tensor):
    """A tensor of the second device; ``inside`` is where its numbers are."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inside: torch.Tensor) -> "Distant":
        how: dict[str, Any] = {"dtype": inside.dtype, "layout": inside.layout, "device": ELSEWHERE}
        if inside.layout == torch.strided:
            how |= {"strides": inside.stride(), "storage_offset": inside.storage_offset()}
        out = torch.Tensor._make_wrapper_subclass(cls, inside.size(), requires_grad=inside.requires_grad, **how)
        out.inside = inside
        return out

    def __repr__(self) -> str:
        return f"Distant({self.inside})"

    def __reduce_ex__(self, protocol: int) -> Any:
        return self.inside.detach().__reduce_ex__(protocol)  # files are read on the processor

    def __format__(self, how: str) -> str:
        return format(self.inside, how)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _inside(x: Any) -> Any:
    return tree_map(lambda y: y.inside if isinstance(y, Distant) else y, x)


def _outside(x: Any) -> Any:
    return tree_map(lambda y: Distant(y) if isinstance(y, torch.Tensor) and not isinstance(y, Distant) else y, x)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on the numbers; what it makes is on the device that is asked for, else on that of what it takes."""
    name, asked = func._schema.name, kwargs.get("device")
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    distant = any(isinstance(x, Distant) for x in tensors)
    there = distant if asked is None else torch.device(asked) == ELSEWHERE
    if not (distant or there):
        return func(*args, **kwargs)
    moves = name in ("aten::_to_copy", "aten::copy_")
    for x in tensors if distant and not moves else []:
        index = name in INDEXED and not x.is_floating_point() and x is not args[0]
        if not isinstance(x, Distant) and x.dim() and not index:
            msg = f"{name} takes tensors of two devices; that of the processor is {tuple(x.shape)}"
            raise RuntimeError(msg)
    out = func(*_inside(args), **(_inside(kwargs) | ({} if asked is None else {"device": HERE})))
    if not there:
        return out
    return return_and_correct_aliasing(func, args, kwargs, _outside(out)) if func._schema.is_mutable else _outside(out)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _FromData(TorchFunctionMode):
    """Functions that make tensors of data do so beside the operations."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.Tensor.tolist and isinstance(args[0], Distant):
            return args[0].inside.tolist()
        if func not in (torch.as_tensor, torch.tensor) or torch.device(kwargs.get("device") or HERE) != ELSEWHERE:
            return func(*args, **kwargs)
        if isinstance(args[0], Distant):
            return args[0].to(kwargs.get("dtype") or args[0].dtype)
        return func(*args, **{k: v for k, v in kwargs.items() if k != "device"}).to(ELSEWHERE)


class _Accelerator(Accelerator):
    setup_device = teardown = get_device_stats = lambda self, *args: {}
    parse_devices = auto_device_count = staticmethod(lambda *args: 1)
    get_parallel_devices = staticmethod(lambda devices: [ELSEWHERE])
    is_available = staticmethod(lambda: True)
    name = staticmethod(lambda: "meta")


@contextmanager
def second_device() -> Iterator[str]:
    """Give the name of the device, for a while."""
    AcceleratorRegistry.register("meta", _Accelerator, override=True)
    begin = lightning.Trainer.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("accelerator") == "meta":
            kwargs |= {"strategy": SingleDeviceStrategy(device=ELSEWHERE), "devices": 1}
        begin(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, _Operations(), _FromData():
        patch.setattr(lightning.Trainer, "__init__", init)
        patch.setattr(torch, "inference_mode", torch.no_grad)  # its tensors have no version, which the modes ask for
        try:
            yield "meta"
        finally:
            AcceleratorRegistry.remove("meta")
