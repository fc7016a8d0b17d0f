"""Which device computes, in which precision, and what happens when its memory runs out."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import say

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
Precision = Literal["auto", "float32", "bfloat16", "float16"]


def resolve_device(device: "str | torch.device" = "auto", *, name: str = "device") -> "torch.device":
    """Return the device to compute on.

    Parameters
    ----------
    device
        ``"auto"`` takes the first CUDA device, else the CPU (Apple's MPS only when asked for by name). Any name
        that PyTorch knows, or a ``torch.device``.
    name
        The argument that it comes from.

    Raises
    ------
    InputValueError
        If the device is not there; the message lists those that are.
    """
    import torch

    if str(device) == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted).cpu()  # what nothing comes back from computes nothing
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            there.append("mps")
        msg = f"Device {str(device)!r} is not available; this machine has {', '.join(there)}. Pass {name}='auto'."
        raise InputValueError(msg) from error
    return wanted


def resolve_precision(precision: Precision, device: "torch.device") -> "torch.dtype":
    """Return the dtype of matrix products: float32 on the CPU and bfloat16 on a CUDA device that has it, for "auto"."""
    import torch

    if choice("precision", precision, get_args(Precision)) == "auto":
        on_gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if on_gpu else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]


def at_home(x: Any) -> Any:
    """Return an array or a sparse matrix of a GPU (cupy, as rapids-singlecell writes it) in main memory; others as they are."""
    return x.get() if type(x).__module__.startswith("cupy") else x


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` says that the memory of the device or of the machine ran out."""
    torch = sys.modules.get("torch")  # not imported for this: an error of its own means that it is there
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator: can't allocate memory" in str(error)


def halving(run: Callable[[int], T], batch_size: int, *, unit: str = "batch_size") -> tuple[T, int]:
    """Call ``run(batch_size)``, halving the size each time that memory runs out, down to 1.

    Returns
    -------
    result, batch_size
        What ``run`` returned and the size at which it did.
    """
    while True:
        try:
            return run(batch_size), batch_size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or batch_size <= 1:
                raise
        # outside the except block, so that the traceback no longer holds the tensors of the failed attempt
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
            sys.modules["torch"].cuda.empty_cache()
        half = batch_size // 2
        say(f"Out of memory at {unit}={batch_size}; continuing with {half}.")
        batch_size = half
