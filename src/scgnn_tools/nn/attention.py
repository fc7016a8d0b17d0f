"""Softmax attention within each cell: one interface, several back-ends."""

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from scgnn_tools._errors import InputValueError
from scgnn_tools._settings import settings
from scgnn_tools.nn.segments import Segments

BLOCK = 512
"""Query rows whose weights are held at once by what reads attention maps."""


def attention(
    q: Tensor, k: Tensor, v: Tensor, segments: Segments, *, backend: str | None = None, dropout: float = 0.0
) -> Tensor:
    """Attend within each cell.

    Parameters
    ----------
    q, k, v
        Packed, (n_tokens, heads, d_head).
    segments
        Where each cell lies.
    backend
        "sdpa", PyTorch's own kernels; "flash", a variable-length kernel (CUDA, half precision): flash-attn's where it is installed, else
        PyTorch's, which has no dropout; "padded", PyTorch's own over cells that are filled up to the longest one, for training on many
        short cells of unlike length; "eager", written out; None or "auto" takes ``settings.attention``, which is a
        variable-length kernel where one can run and else sdpa.
    dropout
        Share of attention weights set to zero; 0 outside training.

    Returns
    -------
    Tensor
        (n_tokens, heads, d_head).

    Raises
    ------
    InputValueError
        If flash is asked for and cannot run here.
    """
    return BACKENDS[resolve_backend(backend, q, dropout)](q, k, v, segments, dropout)


def resolve_backend(backend: str | None, q: Tensor, dropout: float = 0.0) -> str:
    """Return the back-end to use for tensors like ``q``; see :func:`attention`."""
    wanted = settings.attention if backend in (None, "auto") else backend
    if wanted not in ("auto", *BACKENDS):
        msg = f"attention back-end is one of auto, {', '.join(BACKENDS)}; got {wanted!r}."
        raise InputValueError(msg)
    half = q.is_cuda and q.dtype in (torch.float16, torch.bfloat16)
    if wanted == "auto":
        return "flash" if half and _flash_kernel(q, dropout) is not None else "sdpa"
    if wanted == "flash" and not (half and _flash_kernel(q, dropout) is not None):
        msg = (
            "attention='flash' needs a CUDA device of compute capability 8 or newer and half precision, and without the package flash-attn "
            f"(pip install 'scgnn_tools[flash]') heads of a multiple of 8 up to 256 and no dropout; seen {q.dtype} on {q.device}, heads of "
            f"{q.shape[-1]}, dropout {dropout}. Pass attention='sdpa', or precision='bfloat16' on the GPU."
        )
        raise InputValueError(msg)
    return str(wanted)


def attention_along(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segments: Segments,
    *,
    source: Tensor,
    target: Tensor,
    everywhere: Tensor,
    heads: Sequence[int] | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attend within each cell along edges only, both ways, and to oneself.

    Parameters
    ----------
    q, k, v
        Packed, (n_tokens, heads, d_head).
    segments
        Where each cell lies.
    source, target
        Tokens at the ends of the edges, both in one cell, int64 (n_edges,).
    everywhere
        Tokens that see the whole cell and are seen by it, bool (n_tokens,).
    heads
        Heads that are limited so; the others see the whole cell. None limits all.
    dropout
        Share of attention weights set to zero.

    Returns
    -------
    Tensor
        (n_tokens, heads, d_head).
    """
    n_heads, parts = q.shape[1], []
    cell = segments.cell.index_select(0, source)
    for start, end, cells, length in segments.runs():
        if length == 0:
            continue
        here = (source >= start) & (source < end)
        a, b = source[here] - start, target[here] - start
        free = everywhere[start:end].view(cells, length)
        open_ = free.unsqueeze(1) | free.unsqueeze(2) | torch.eye(length, dtype=torch.bool, device=q.device)
        which = cell[here] - segments.cell[start]
        open_[which, a % length, b % length] = True
        open_[which, b % length, a % length] = True
        mask = open_.unsqueeze(1)
        if heads is not None:
            mask = mask.expand(-1, n_heads, -1, -1).clone()
            mask[:, [h for h in range(n_heads) if h not in heads]] = True
        bq, bk, bv = (x[start:end].unflatten(0, (cells, -1)).transpose(1, 2) for x in (q, k, v))
        out = F.scaled_dot_product_attention(bq, bk, bv, attn_mask=mask, dropout_p=dropout)
        parts.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts)


def attention_weights(q: Tensor, k: Tensor) -> Tensor:
    """Return softmax(q kᵀ / √d) of one cell: q (n, heads, d), k (m, heads, d) -> (heads, n, m)."""
    scores = torch.einsum("nhd,mhd->hnm", q, k) / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1)


def received(q: Tensor, k: Tensor, segments: Segments) -> Tensor:
    """Return the attention that each token receives: mean over heads and over its cell's queries, (n_tokens,).

    Holds ``BLOCK`` rows of weights at a time, so memory grows with the tokens and not with their square. It sums to 1 in each cell.
    """
    out = torch.empty(len(k), device=k.device)
    for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
        total = torch.zeros(int(b - a), device=k.device)
        for i in range(a, b, BLOCK):
            total += attention_weights(q[i : min(i + BLOCK, b)], k[a:b]).sum(dim=(0, 1))
        out[a:b] = total / (q.shape[1] * (b - a))
    return out


def _sdpa(q: Tensor, k: Tensor, v: Tensor, segments: Segments, dropout: float) -> Tensor:
    def heads_first(x: Tensor, cells: int) -> Tensor:
        return x.unflatten(0, (cells, -1)).transpose(1, 2)

    runs = list(segments.runs())
    if q.is_cuda and len(runs) > 4:  # many small kernels cost more than a mask
        return _padded(q, k, v, segments, dropout)
    parts = []
    for start, end, cells, length in runs:
        if length == 0:
            continue
        bq, bk, bv = (heads_first(x[start:end], cells) for x in (q, k, v))
        out = F.scaled_dot_product_attention(bq, bk, bv, dropout_p=dropout)
        parts.append(out.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts) if len(parts) != 1 else parts[0]


def _padded(q: Tensor, k: Tensor, v: Tensor, segments: Segments, dropout: float) -> Tensor:
    mask = torch.zeros(segments.n_cells * segments.longest, dtype=torch.bool, device=q.device)
    mask[segments.slots] = True
    mask = mask.view(segments.n_cells, 1, 1, segments.longest)
    pq, pk, pv = (segments.pad(x).transpose(1, 2) for x in (q, k, v))
    out = F.scaled_dot_product_attention(pq, pk, pv, attn_mask=mask, dropout_p=dropout)
    return segments.unpad(out.transpose(1, 2))


def _eager(q: Tensor, k: Tensor, v: Tensor, segments: Segments, dropout: float) -> Tensor:
    out = torch.empty_like(v)
    for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
        weights = F.dropout(attention_weights(q[a:b], k[a:b]), dropout)
        out[a:b] = torch.einsum("hnm,mhd->nhd", weights, v[a:b])
    return out


def _flash(q: Tensor, k: Tensor, v: Tensor, segments: Segments, dropout: float) -> Tensor:
    kernel = _flash_kernel(q, dropout)
    if kernel is None:
        msg = "No variable-length kernel can run here; pass attention='sdpa'."
        raise InputValueError(msg)
    at, longest = segments.cumulative, segments.longest
    options = {"dropout_p": dropout} if dropout else {}
    return kernel(q, k, v, at, at, longest, longest, **options)


def _flash_kernel(q: Tensor, dropout: float) -> Callable[..., Tensor] | None:
    """Return flash-attn's kernel, else that of PyTorch where it does what is asked."""
    width = q.shape[-1]
    fits = dropout == 0 and width % 8 == 0 and width <= 256
    return _flash_attn() or (_torch_varlen(q.device) if fits else None)


def _flash_attn() -> Callable[..., Tensor] | None:
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        return None
    return flash_attn_varlen_func


def _torch_varlen(device: torch.device) -> Callable[..., Tensor] | None:
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return cast("Callable[..., Tensor]", varlen_attn)  # it returns more than a tensor only where that is asked for


BACKENDS: dict[str, Callable[[Tensor, Tensor, Tensor, Segments, float], Tensor]] = {
    "sdpa": _sdpa,
    "flash": _flash,
    "eager": _eager,
    "padded": _padded,
}
