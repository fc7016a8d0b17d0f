"""``cnnc``: a convolutional network on the joint histogram of the expression of two genes."""

import numpy as np
import torch
from torch import Tensor, nn

from scgnn_tools._random import RNG
from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links._histograms import images, levels
from scgnn_tools.links._pair_network import PairNetwork


class Tower(nn.Module):
    """Blocks of two convolutions and a pooling, then a linear layer.

    Shapes
    ------
    (n, 1, 32, 32) -> (n, out)
    """

    def __init__(self, channels: tuple[int, ...], out: int, *, dropout: float = 0.25) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, side = 1, 32
        for width in channels:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout)]
            before, side = width, side // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * side**2, out), nn.ReLU(), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each image."""
        return self.layers(x)


class Images(PairNetwork):
    """What the networks on histograms share: the levels of expression of each gene; a pair without expression has no score."""

    balanced = True
    score_block = 2048
    without_expression = "nan"

    def __init__(
        self,
        *,
        max_epochs: int = 20,
        batch_size: int = 64,
        lr: float = 1e-3,
        max_cells: int | None = 2000,
        rng: RNG = 0,
        device: str = "auto",
    ) -> None:
        super().__init__(
            max_epochs=max_epochs,
            patience=5,
            batch_size=batch_size,
            lr=lr,
            max_cells=max_cells,
            rng=rng,
            device=device,
        )

    def _prepare(self, columns: GeneColumns, edges: tuple[np.ndarray, np.ndarray]) -> None:
        self._levels = levels(columns.x)
        self._column = columns.at(self._genes)

    def _images(self, a: np.ndarray, b: np.ndarray) -> Tensor:
        """Return the images of pairs of columns, (n_pairs, 1, 32, 32)."""
        return torch.as_tensor(images(self._levels, a, b), device=self._device)[:, None]


class CNNC(Images):
    """CNNC (Yuan and Bar-Joseph, PNAS 2019) on 32 × 32 histograms.

    Each epoch sees as many negative as positive pairs, at most 8,192 together. The network is a quarter as wide as the published
    one, which trains for hours on a GPU, and its histograms are counted when they are needed instead of being written to disk.

    Parameters
    ----------
    max_epochs, batch_size, lr
        Of the training.
    max_cells
        So many cells are drawn if there are more. None takes all.
    rng, device
        Seed; where to train.
    """

    name = "cnnc"

    def _build(self) -> nn.Module:
        return nn.Sequential(Tower((8, 16, 32), 128), nn.Linear(128, 1))

    def _logits(self, network: nn.Module, state: None, tf: np.ndarray, target: np.ndarray) -> Tensor:
        return network(self._images(self._column[tf], self._column[target])).squeeze(1)
