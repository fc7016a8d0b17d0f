"""The graph convolution that scGraPhT and scRegNet share."""

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
