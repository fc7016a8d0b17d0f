"""The Performer of scBERT and of scFoundation's decoder: attention in linear time by random features (FAVOR+).

Source: Choromanski et al., Rethinking Attention with Performers, ICLR 2021.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.nn.segments import Segments
from scgnn_tools.nn.transformer import layer_index

EPS = 1e-4
Stabiliser = Literal["cell", "published"]


def query_features(q: Tensor, projection: Tensor) -> Tensor:
    """Return the positive random features of queries (…, d) -> (…, m), each query scaled by its own maximum."""
    dash, half = _dash(q, projection)
    return _exp(dash, half + dash.amax(dim=-1, keepdim=True), len(projection))


def key_features(k: Tensor, projection: Tensor, largest: Tensor) -> Tensor:
    """Return the positive random features of keys (…, d) -> (…, m), scaled by one maximum for all that attend together."""
    dash, half = _dash(k, projection)
    return _exp(dash, half + largest, len(projection))


def _exp(dash: Tensor, less: Tensor, n_features: int) -> Tensor:
    if torch.is_grad_enabled():
        return ((dash - less).exp() + EPS) * n_features**-0.5
    return dash.sub_(less).exp_().add_(EPS).mul_(n_features**-0.5)


def _dash(x: Tensor, projection: Tensor) -> tuple[Tensor, Tensor]:
    x = x * x.shape[-1] ** -0.25
    return x @ projection.T, x.square().sum(dim=-1, keepdim=True) / 2


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, segments: Segments, projection: Tensor, *, stabiliser: Stabiliser = "cell"
) -> Tensor:
    """Attend within each cell in time and memory linear in its length.

    Parameters
    ----------
    q, k, v
        Packed, (n_tokens, heads, d_head).
    segments
        Where each cell lies.
    projection
        Random directions, (m, d_head); part of the weights.
    stabiliser
        The maximum that is taken from the keys before the exponential: "cell", over the heads and tokens of one cell; "published",
        over the whole batch, as the official code does, which makes a cell's vector depend on its neighbours. The same for one cell.

    Returns
    -------
    Tensor
        (n_tokens, heads, d_head).
    """
    largest = _largest(k, projection) if stabiliser == "published" else None
    out = torch.empty_like(v) if not torch.is_grad_enabled() else None
    parts = []
    for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
        hq, hk, hv = (x[a:b].transpose(0, 1) for x in (q, k, v))
        mixed = _one_cell(hq, hk, hv, projection, _largest(k[a:b], projection) if largest is None else largest)
        if out is None:
            parts.append(mixed)
        else:
            out[a:b] = mixed
    return torch.cat(parts) if out is None else out


def received(q: Tensor, k: Tensor, segments: Segments, projection: Tensor) -> Tensor:
    """Return the attention that each token receives: mean over heads and queries, in linear time, (n_tokens,)."""
    out = torch.empty(len(k), device=k.device)
    for a, b in zip(segments.offsets[:-1], segments.offsets[1:], strict=True):
        largest = _largest(k[a:b], projection)
        total = torch.zeros(int(b - a), device=k.device)
        for h in range(q.shape[1]):
            keys = key_features(k[a:b, h], projection, largest)
            queries = query_features(q[a:b, h], projection)
            total += keys @ (queries / (queries @ keys.sum(dim=0)).unsqueeze(-1)).sum(dim=0)
        out[a:b] = total / (q.shape[1] * (b - a))
    return out


def weights(q: Tensor, k: Tensor, projection: Tensor) -> Tensor:
    """Return the attention of some queries (n, heads, d) to all keys of a cell (m, heads, d): (heads, n, m)."""
    largest = _largest(k, projection)
    maps = query_features(q, projection).transpose(0, 1) @ key_features(k, projection, largest).permute(1, 2, 0)
    return maps / maps.sum(dim=-1, keepdim=True)


def _one_cell(q: Tensor, k: Tensor, v: Tensor, projection: Tensor, largest: Tensor) -> Tensor:
    """Return (n, heads, d) for q, k, v (heads, n, d)."""
    heads = []
    for h in range(len(q)):  # head by head: the features of one (n × 266) stay near the processor
        keys = key_features(k[h], projection, largest)
        context, total = keys.T @ v[h], keys.sum(dim=0)
        queries = query_features(q[h], projection)
        heads.append((queries @ context) / (queries @ total).unsqueeze(-1))
    return torch.stack(heads, dim=1)


def _largest(k: Tensor, projection: Tensor) -> Tensor:
    """Return the largest projection of all keys (n, heads, d), a scalar without gradient."""
    with torch.no_grad():
        scaled = k * k.shape[-1] ** -0.25
        return torch.stack([(scaled[:, h] @ projection.T).amax() for h in range(k.shape[1])]).amax()


class PerformerLayer(nn.Module):
    """``x += attention(norm(x)); x += feed_forward(norm(x))``, with GELU.

    Parameters
    ----------
    dim, heads, d_head, hidden
        Width, number of heads, width of one head (heads × d_head need not be dim), width of the feed-forward part.
    n_features
        Random features.
    qkv_bias
        Whether queries, keys and values have a bias.
    """

    def __init__(self, dim: int, heads: int, d_head: int, hidden: int, n_features: int, *, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * heads * d_head, bias=qkv_bias), nn.Linear(heads * d_head, dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.projection: Tensor
        self.register_buffer("projection", torch.zeros(n_features, d_head))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each (n_tokens, heads, d_head)."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        return q, k, v

    def forward(self, x: Tensor, segments: Segments, *, stabiliser: Stabiliser = "cell") -> Tensor:
        """Return the next hidden states, (n_tokens, dim)."""
        q, k, v = self.project(x)
        x = x + self.out(linear_attention(q, k, v, segments, self.projection, stabiliser=stabiliser).flatten(-2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Performer(nn.Module):
    """A stack of :class:`PerformerLayer`."""

    def __init__(
        self, n_layers: int, dim: int, heads: int, d_head: int, hidden: int, n_features: int, *, qkv_bias: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PerformerLayer(dim, heads, d_head, hidden, n_features, qkv_bias=qkv_bias) for _ in range(n_layers)
        )

    def forward(
        self,
        x: Tensor,
        segments: Segments,
        *,
        layer: int = -1,
        stabiliser: Stabiliser = "cell",
        watch: Callable[[int, Tensor], None] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim); arguments as in :class:`~scgnn_tools.nn.transformer.Encoder`."""
        depth = layer_index(layer, len(self.layers))
        for i in range(depth):
            if watch is not None:
                watch(i, x)
            x = self.layers[i](x, segments, stabiliser=stabiliser)
        if watch is not None:
            watch(depth, x)
        return x
