"""States of parts under names of their own: ``{"pca.genes": …, "head.weight": …}``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

State = dict[str, np.ndarray]


def nested(**parts: Mapping[str, np.ndarray]) -> State:
    """Return the arrays of several parts in one dict."""
    return {f"{name}.{k}": v for name, part in parts.items() for k, v in part.items()}


def part(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the arrays of one part."""
    return {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}
