"""What a model is restored from: arrays by name, those of a part under a name of their own, as ``{"pca.genes": …, "head.weight": …}``."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from scgnn_tools.labels._protocol import LabelMethod, Saved

State = dict[str, np.ndarray]


def state_of(method: Saved) -> tuple[State, dict[str, Any] | None]:
    """Return all that :func:`restored` needs of a method: arrays by name, and what JSON can hold; None for nothing of that kind."""
    state = method.state()
    return state if isinstance(state, tuple) else (state, None)


def restored(new: Saved, arrays: State, config: dict[str, Any] | None) -> LabelMethod:
    """Return a new method as it was when :func:`state_of` was asked."""
    return new.restore(arrays, config) if config else new.restore(arrays)


class Kept:
    """A model that is the arrays that ``kept`` names, each an attribute of that name."""

    kept: ClassVar[tuple[str, ...]]

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs."""
        return {name: getattr(self, name) for name in self.kept}

    def restore(self, arrays: State) -> Self:
        """Become the model that :meth:`state` was asked of."""
        for name in self.kept:
            setattr(self, name, arrays[name])
        return self


def nested(**parts: Mapping[str, np.ndarray]) -> State:
    """Return the arrays of several parts in one dict."""
    return {f"{name}.{k}": v for name, part in parts.items() for k, v in part.items()}


def part(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the arrays of one part."""
    return {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}
