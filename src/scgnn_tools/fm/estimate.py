"""What a run will take, said before it begins: operations over the rate of this machine."""

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from scgnn_tools._log import duration, say

if TYPE_CHECKING:
    from scgnn_tools.fm._network import NetworkModel

WORTH_SAYING = 10.0  # seconds
SLOWEST = 1e9
"""Operations a second that every machine does: what it finishes in time is not worth a measurement."""


def announce(model: "NetworkModel", lengths: np.ndarray, times: float) -> None:
    """Say how long cells like these will take, if it is longer than ten seconds.

    Parameters
    ----------
    model
        The model.
    lengths
        Tokens of the cells of the first chunk.
    times
        How many such chunks there are.
    """
    if len(lengths) == 0:
        return
    work = model.flops(lengths) * times
    if work / SLOWEST / model.efficiency < WORTH_SAYING:
        return
    seconds = work / matmul_rate(model.device, model.dtype) / model.efficiency
    if seconds < WORTH_SAYING:
        return
    weights = sum(p.numel() * p.element_size() for p in model.network.state_dict().values())
    batch = max(int(lengths.max()), min(model.max_tokens, int(lengths.sum())))
    memory = weights + activation_bytes(model, batch)
    say(
        f"{model.card.name}: {len(lengths) * times:,.0f} cells of {lengths.mean():,.0f} tokens, {work / 1e12:,.1f} TFLOP: about "
        f"{duration(seconds)} on {model.device.type}, {memory / 2**30:.1f} GB for weights and one batch"
    )


def activation_bytes(model: "NetworkModel", n_tokens: int) -> float:
    """Return the bytes of the largest set of tensors that are alive at once in one block."""
    widest = max(sum(p.shape[0] for p in m.parameters() if p.dim() == 2) for m in model.blocks)
    return n_tokens * widest * 4.0


def matmul_rate(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.1) -> float:
    """Return the floating-point operations a second of matrix products like those of a transformer, measured now."""
    cuda = device.type == "cuda"
    n, times = (8192, 20) if cuda else (1024, 1)  # one after the other: a single one on a GPU is mostly its start
    a, b = torch.randn(n, 512, device=device, dtype=dtype), torch.randn(512, 2048, device=device, dtype=dtype)
    best, spent = np.inf, 0.0
    with torch.inference_mode():
        while spent < seconds:
            begin = time.perf_counter()
            for _ in range(times):
                a @ b
            if cuda:
                torch.cuda.synchronize(device)
            took = time.perf_counter() - begin
            best, spent = min(best, took / times), spent + took
    return 2 * n * 512 * 2048 / best


def encoder_flops(lengths: np.ndarray, n_layers: int, dim: int, hidden: int) -> float:
    """Return the operations of a transformer encoder: projections and feed-forward by token, attention by its square."""
    tokens = lengths.astype(np.float64)
    return float(n_layers * (2 * tokens * (4 * dim**2 + 2 * dim * hidden) + 4 * tokens**2 * dim).sum())


def performer_flops(
    lengths: np.ndarray, n_layers: int, dim: int, inner: int, hidden: int, n_features: int, d_head: int
) -> float:
    """Return the operations of a Performer: linear in the tokens."""
    heads = inner // d_head
    by_token = 2 * (4 * dim * inner + 2 * dim * hidden) + heads * (
        3 * 2 * n_features * d_head + 2 * 2 * n_features * d_head
    )
    return float(n_layers * by_token * lengths.astype(np.float64).sum())
