"""What is installed: for a report of a fault."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

PACKAGES = (
    "scgnn_tools", "anndata", "scanpy", "mudata", "torch", "torch-geometric", "lightning", "scvi-tools", "numpy", "scipy", "pandas",
    "scikit-learn", "numba", "pynndescent", "zarr", "matplotlib", "decoupler", "harmonypy", "captum", "huggingface-hub", "flash-attn",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return what is installed of what the package works with, by name, and the machine."""
    found = {"Python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def devices() -> str:
    """Return what there is to compute on, in words."""
    import os

    import torch

    cores = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} CPU cores"
    if not torch.cuda.is_available():
        return f"{cores}, no CUDA device"
    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return f"{cores}; " + ", ".join(f"{p.name} ({p.total_memory / 2**30:.0f} GiB)" for p in names)


def print_versions(file: TextIO | None = None) -> None:
    """Write the versions of the package and of what it works with, and the devices; put them into a report of a fault.

    Parameters
    ----------
    file
        Where to; None is standard output.

    Examples
    --------
    >>> sgt.print_versions()
    Python ...
    """
    rows = {**versions(), "devices": devices()}
    width = max(map(len, rows))
    (file or sys.stdout).write("".join(f"{name:<{width}}  {value}\n" for name, value in rows.items()))
