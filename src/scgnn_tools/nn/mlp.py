"""A multilayer perceptron."""

from collections.abc import Callable
from itertools import pairwise

from torch import nn


class MLP(nn.Sequential):
    """Linear layers with an activation and dropout between them, none after the last.

    Parameters
    ----------
    widths
        Input width, hidden widths, output width.
    activation
        Makes the activation of a hidden layer.
    dropout
        Share of units that are dropped in training; None has no such layer, which a published checkpoint would number.

    Shapes
    ------
    (n, widths[0]) -> (n, widths[-1])
    """

    def __init__(
        self, *widths: int, activation: Callable[[], nn.Module] = nn.ReLU, dropout: float | None = None
    ) -> None:
        layers: list[nn.Module] = []
        for a, b in pairwise(widths[:-1]):
            layers += [nn.Linear(a, b), activation()]
            if dropout is not None:
                layers.append(nn.Dropout(dropout))
        super().__init__(*layers, nn.Linear(widths[-2], widths[-1]))
