"""The edges of a fixed graph, for layers that weigh each edge anew: what each receives, what it weighs, what it brings."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from scgnn_tools.nn.sparse import csr_of


class Edges:
    """The edges of a graph, sorted by the node that receives.

    Parameters
    ----------
    matrix
        CSR (n_receiving, n_sending): each entry is an edge; its value is not used.
    device
        Where to compute.

    Attributes
    ----------
    receiver, sender
        Ends of each edge, int64 (n_edges,).
    alone
        Whether a node receives nothing, bool (n_receiving,).
    """

    def __init__(self, matrix: sp.csr_array, *, device: torch.device | None = None) -> None:
        matrix = sp.csr_array(matrix)
        matrix.sort_indices()
        self.shape = matrix.shape
        lengths = np.diff(matrix.indptr)
        receiver = np.repeat(np.arange(matrix.shape[0]), lengths)
        # the same edges sorted by sender: the transposed product needs no sorting at each step
        order = np.argsort(matrix.indices, kind="stable")
        begin = np.concatenate([[0], np.cumsum(np.bincount(matrix.indices, minlength=matrix.shape[1]))])
        self.receiver, self.sender = _long(receiver, device), _long(matrix.indices, device)
        self.alone = torch.as_tensor(lengths == 0, device=device)
        self._order = _long(order, device)
        self._rows = _long(matrix.indptr, device), self.sender
        self._columns = _long(begin, device), _long(receiver[order], device)

    def __len__(self) -> int:
        return len(self.sender)

    def softmax(self, logits: Tensor) -> Tensor:
        """Return weights that sum to 1 over what each node receives, (n_edges,)."""
        n = self.shape[0]
        largest = logits.new_zeros(n).scatter_reduce(
            0, self.receiver, logits.detach(), reduce="amax", include_self=False
        )
        weights = (logits - largest[self.receiver]).exp()
        return weights / weights.new_zeros(n).index_add(0, self.receiver, weights)[self.receiver]

    def dot(self, receiving: Tensor, sending: Tensor) -> Tensor:
        """Return the product of the two ends' vectors, (n_receiving, d) and (n_sending, d) -> (n_edges,)."""
        return (receiving[self.receiver] * sending[self.sender]).sum(dim=-1)

    def sum(self, weights: Tensor, h: Tensor) -> Tensor:
        """Return the weighted sum of what each node receives, (n_edges,) and (n_sending, d) -> (n_receiving, d)."""
        return _WeightedSum.apply(self, weights, h)

    def _matrix(self, weights: Tensor, *, transposed: bool = False) -> Tensor:
        pattern = self._columns if transposed else self._rows
        values = weights[self._order] if transposed else weights
        size = self.shape[::-1] if transposed else self.shape
        return csr_of(*pattern, values, size)


class _WeightedSum(torch.autograd.Function):
    """``A(w) @ H`` for a matrix of fixed pattern, with gradients to ``w`` and ``H``; nothing of size edges × d is kept."""

    @staticmethod
    def forward(ctx: Any, edges: Edges, weights: Tensor, h: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(weights, h)
        return edges._matrix(weights) @ h

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[None, Tensor, Tensor]:
        weights, h = ctx.saved_tensors
        g = grad[0].contiguous()
        return None, ctx.edges.dot(g, h), ctx.edges._matrix(weights, transposed=True) @ g


def _long(a: np.ndarray, device: torch.device | None) -> Tensor:
    return torch.as_tensor(np.asarray(a, dtype=np.int64), device=device)
