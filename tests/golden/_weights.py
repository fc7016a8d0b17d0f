"""Random weights that depend on nothing but a tensor's name and shape, so that recorded numbers need no weights beside them."""

import zlib

import numpy as np


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 tensor: near one for scales of norms, positive for variances, small and around zero for all others."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    x = rng.standard_normal(shape, dtype=np.float32)
    if name.endswith("running_var"):
        return (0.5 + np.abs(x)).astype(np.float32)
    if name.endswith("projection_matrix"):
        return x
    if len(shape) == 1 and name.endswith("weight"):
        return (1 + 0.1 * x).astype(np.float32)
    if len(shape) == 1:
        return (0.1 * x).astype(np.float32)
    if "emb" in name:
        return (0.5 * x).astype(np.float32)
    return (x / np.sqrt(shape[-1])).astype(np.float32)


def state(names: np.ndarray, shapes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tensors of a recorded network; ``shapes`` are texts like "3,4"."""
    return {
        str(n): fill(str(n), tuple(int(s) for s in str(shape).split(",") if s))
        for n, shape in zip(names, shapes, strict=True)
    }
