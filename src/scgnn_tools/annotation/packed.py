"""Arrays as JSON can hold them, bit for bit."""

import base64
from typing import Any

import numpy as np


def packed(**arrays: np.ndarray) -> dict[str, Any]:
    """Return arrays by name as JSON can hold them."""
    return {
        name: {"dtype": x.dtype.str, "shape": list(x.shape), "data": base64.b64encode(x.tobytes()).decode()}
        for name, x in arrays.items()
    }


def unpacked(plain: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return what :func:`packed` was given."""
    return {
        k: np.frombuffer(base64.b64decode(v["data"]), dtype=v["dtype"]).reshape(v["shape"]) for k, v in plain.items()
    }
