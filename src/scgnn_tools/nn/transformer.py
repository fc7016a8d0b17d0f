"""The post-norm transformer encoder of scGPT, Geneformer, scFoundation and CGC, over packed cells."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._errors import InputValueError
from scgnn_tools.nn.attention import attention
from scgnn_tools.nn.segments import Segments

Attend = Callable[[Tensor, Tensor, Tensor, float], Tensor]


class EncoderLayer(nn.Module):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))``, with ReLU.

    Parameters
    ----------
    dim, heads, hidden
        Width, number of heads, width of the feed-forward part.
    dropout
        After the attention, between and after the feed-forward layers, and on the attention weights.
    eps
        Of the layer norms.
    """

    def __init__(self, dim: int, heads: int, hidden: int, *, dropout: float = 0.0, eps: float = 1e-5) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            msg = f"dim is a multiple of heads; got {dim} and {heads}."
            raise InputValueError(msg)
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each (n_tokens, heads, d_head)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        return q, k, v

    def forward(
        self, x: Tensor, segments: Segments, *, backend: str | None = None, attend: Attend | None = None
    ) -> Tensor:
        """Return the next hidden states, (n_tokens, dim); ``attend`` takes the place of attention to the whole cell."""
        p = self.dropout if self.training else 0.0
        q, k, v = self.project(x)
        heads = attention(q, k, v, segments, backend=backend, dropout=p) if attend is None else attend(q, k, v, p)
        mixed = self.out(heads.flatten(-2))
        x = _norm(self.norm1, _add(x, F.dropout(mixed, p, self.training)))
        hidden = F.dropout(F.relu(self.up(x), inplace=not torch.is_grad_enabled()), p, self.training)
        return _norm(self.norm2, _add(x, F.dropout(self.down(hidden), p, self.training)))


class Encoder(nn.Module):
    """A stack of :class:`EncoderLayer`."""

    def __init__(
        self, n_layers: int, dim: int, heads: int, hidden: int, *, dropout: float = 0.0, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(dim, heads, hidden, dropout=dropout, eps=eps) for _ in range(n_layers))

    def forward(
        self,
        x: Tensor,
        segments: Segments,
        *,
        layer: int = -1,
        backend: str | None = None,
        watch: Callable[[int, Tensor], None] | None = None,
        attend: Mapping[int, Attend] | None = None,
    ) -> Tensor:
        """Return hidden states, (n_tokens, dim).

        Parameters
        ----------
        x
            Embeddings, (n_tokens, dim).
        segments
            Where each cell lies.
        layer
            Which, counted in the list [embeddings, block 1, …]; -1 is the last. Blocks behind it are not computed.
        backend
            As in :func:`~scgnn_tools.nn.attention`.
        watch
            Called with (block, its input) before each block, and with what is returned as the input of the next.
        attend
            Block -> what takes the place of its attention to the whole cell, called with queries, keys, values and dropout.
        """
        depth, kind = layer_index(layer, len(self.layers)), x.device.type
        half = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        if half and not torch.is_grad_enabled():
            x = x.to(torch.get_autocast_dtype(kind))
        for i in range(depth):
            if watch is not None:
                watch(i, x)
            x = self.layers[i](x, segments, backend=backend, attend=None if attend is None else attend.get(i))
        if watch is not None:
            watch(depth, x)
        return x


def _norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Return the norm in the precision of ``x``; autocast would return float32, and half of what blocks do is to move their states."""
    if x.dtype == norm.weight.dtype:
        return norm(x)
    with torch.autocast(x.device.type, enabled=False):
        return F.layer_norm(x, norm.normalized_shape, norm.weight.to(x.dtype), norm.bias.to(x.dtype), norm.eps)


def _add(x: Tensor, fresh: Tensor) -> Tensor:
    """Return the sum; without gradients in the memory of ``fresh``, since new memory costs more than the addition."""
    reuse = fresh.dtype == x.dtype and not torch.is_grad_enabled()
    return fresh.add_(x) if reuse else x + fresh


def layer_index(layer: int, n_layers: int) -> int:
    """Return how many blocks lie before hidden state ``layer`` of the list [embeddings, block 1, …]."""
    if not -n_layers - 1 <= layer <= n_layers:
        msg = f"layer lies between {-n_layers - 1} and {n_layers} (0: the embeddings, -1: the last of {n_layers} blocks); got {layer}."
        raise ValueError(msg)
    return layer if layer >= 0 else n_layers + 1 + layer
