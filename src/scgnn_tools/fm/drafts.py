"""Sizes that a file claims, looked at beside the tensors that it holds, before anything is built.

A network is first made without memory (on PyTorch's meta device). Its tensors have to be those of the file, shape for shape; only then
is it made for good. A configuration can therefore cost no more than the tensors that come with it.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from scgnn_tools._errors import SgtError, WeightsError
from scgnn_tools._log import printable

if TYPE_CHECKING:
    from torch import nn
    from torch.overrides import TorchFunctionMode

C = TypeVar("C")
LARGEST = 2**31
SPARE_LAYERS = 8
"""Layers of heads that a file may leave out."""
NONE_AT_ALL = ("n_special", "n_text", "n_graph_layers", "walk_dim", "seed", "masked_layers", "masked_heads")
"""What a network can have none of, and positions, which are counted from 0; all other sizes are at least 1."""
FILLS = {"normal_", "uniform_", "fill_", "zero_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_", "constant_"}


def check_values(config: Any, source: Path) -> None:
    """Refuse a configuration whose values are of another type than its fields, too small, or beyond any network."""
    hints = get_type_hints(type(config))
    for field in fields(config):
        value = getattr(config, field.name)
        if not _fits(value, hints[field.name]):
            msg = f"{source}: {field.name} is {printable(repr(value), limit=60)}; {_name(hints[field.name])} is wanted."
            raise WeightsError(msg)
        low = -1 if field.name.endswith("_id") else int(field.name not in NONE_AT_ALL)
        for number in value if isinstance(value, tuple) else (value,):
            whole = isinstance(number, int) and not isinstance(number, bool) and hints[field.name] is not float
            if whole and not low <= number < LARGEST:
                msg = f"{source}: {field.name} is {printable(repr(value), limit=60)}; no network has such a size."
                raise WeightsError(msg)


def draft(
    make: "Callable[[C], nn.Module]", config: C, shapes: Mapping[str, Sequence[int]], source: Path
) -> "dict[str, tuple[int, ...]]":
    """Return the shapes of the tensors of the network that ``make(config)`` would give, without making it.

    Raises
    ------
    WeightsError
        If the configuration has values that no network has, or more layers than the file has tensors.
    """
    import torch

    check_values(config, source)
    for field in fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if field.name.endswith("layers") and isinstance(value, int) and value > len(shapes) + SPARE_LAYERS:
            msg = f"{source}: {field.name} is {value:,}; the file holds {len(shapes):,} tensors."
            raise WeightsError(msg)
    try:
        with torch.device("meta"), _uninitialised():
            network = make(config)
    except SgtError:
        raise
    except (ValueError, TypeError, RuntimeError, ArithmeticError, AssertionError, IndexError, MemoryError) as error:
        msg = f"{source}: no network has these sizes ({printable(error, limit=200)})."
        raise WeightsError(msg) from error
    return {name: tuple(t.shape) for name, t in network.state_dict().items()}


def _uninitialised() -> "TorchFunctionMode":
    """Return a context in which nothing draws starting values: on the meta device this would import PyTorch's compiler."""
    from torch.overrides import TorchFunctionMode

    class Skip(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__name__", "") in FILLS:
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    return Skip()


def count(names: Mapping[str, Any], prefix: str, source: Path) -> int:
    """Return how many parts ``prefix0.``, ``prefix1.``, … there are; they run from 0 without a hole."""
    heads = {n[len(prefix) :].split(".", 1)[0] for n in names if n.startswith(prefix)}
    found = {int(h) for h in heads if h.isdecimal() and len(h) < 10}
    if found != set(range(len(found))):
        msg = (
            f"{source}: its layers {prefix}* run from 0 without a hole; it holds {len(found)}, the last {max(found):,}."
        )
        raise WeightsError(msg)
    return len(found)


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, h) for h in get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(v, get_args(hint)[0]) for v in value)
    if hint is type(None):
        return value is None
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float) and bool(abs(value) < float("inf"))
    return isinstance(value, hint) if isinstance(hint, type) else True


def _name(hint: Any) -> str:
    return {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}.get(
        getattr(hint, "__name__", ""), str(hint)
    )
