"""A multilayer perceptron."""

from collections.abc import Sequence

import torch
from torch import nn


class MLP(nn.Sequential):
    """Linear layers with LeakyReLU and dropout between them, none after the last.

    Parameters
    ----------
    widths
        Input width, hidden widths, output width.
    dropout
        Share of units that are dropped in training.

    Shapes
    ------
    (n, widths[0]) -> (n, widths[-1])
    """

    def __init__(self, widths: Sequence[int], *, dropout: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for i in range(len(widths) - 1):
            layers.append(nn.Linear(widths[i], widths[i + 1]))
            if i < len(widths) - 2:
                layers += [nn.LeakyReLU(0.01), nn.Dropout(dropout)]
        super().__init__(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output, (n, widths[-1])."""
        return super().forward(x)
