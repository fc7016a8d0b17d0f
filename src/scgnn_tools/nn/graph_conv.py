"""Graph convolutions on a fixed propagation matrix: that of scGraPhT and scRegNet, and GraphSAGE's mean."""

import torch
from torch import nn

from scgnn_tools.nn.sparse import Propagation


class GraphConv(nn.Module):
    r"""Graph convolution :math:`H' = S H W + b` (Kipf and Welling 2017, https://arxiv.org/abs/1609.02907).

    ``S`` is any propagation matrix, square or bipartite. The cheaper order of the two products is taken:
    ``S (H W)`` when the layer narrows, ``(S H) W`` when it widens.

    Parameters
    ----------
    in_features, out_features
        Widths.

    Shapes
    ------
    S (n_out, n_in), H (n_in, in_features) -> (n_out, out_features)
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights (Glorot uniform) and the bias (uniform in ±2/√out) as the published scGraPhT code does."""
        nn.init.xavier_uniform_(self.weight)
        bound = 2 / self.bias.shape[0] ** 0.5
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, propagate: Propagation, h: torch.Tensor) -> torch.Tensor:
        """Return ``S H W + b``."""
        if self.weight.shape[1] <= self.weight.shape[0]:
            return propagate @ (h @ self.weight) + self.bias
        return (propagate @ h) @ self.weight + self.bias


class SAGEConv(nn.Module):
    r"""GraphSAGE with the mean (Hamilton et al. 2017): :math:`h'_i = W_1\, \mathrm{mean}_{j \in N(i)} h_j + b + W_2 h_i`.

    Parameters
    ----------
    in_features, out_features
        Widths.

    Shapes
    ------
    S (n, n) of :func:`~scgnn_tools.nn.sparse.row_normalized`, H (n, in_features) -> (n, out_features)
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.neighbours = nn.Linear(in_features, out_features)
        self.itself = nn.Linear(in_features, out_features, bias=False)

    def forward(self, propagate: Propagation, h: torch.Tensor) -> torch.Tensor:
        """Return the mean of the neighbours and the node itself, each through its weights."""
        w, b = self.neighbours.weight, self.neighbours.bias
        narrows = w.shape[0] <= w.shape[1]  # the cheaper order of the two products, as in GraphConv
        mean = propagate @ (h @ w.T) if narrows else (propagate @ h) @ w.T
        return mean + b + self.itself(h)
