"""``deepdrim``: the histogram of two genes, and those with the genes that go with them."""

import numpy as np
import torch
from torch import Tensor, nn

from scgnn_tools.graph.coexpression import correlation
from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links.cnnc import Images, Tower
from scgnn_tools.nn import MLP

NEIGHBOURS = 10


class DeepDRIMNetwork(nn.Module):
    """One tower for the image of the pair, one for those of the neighbours, and a perceptron on both.

    Shapes
    ------
    (n, 1, 32, 32), (n, 20, 32, 32) -> (n,)
    """

    def __init__(self) -> None:
        super().__init__()
        self.primary = Tower((8, 16, 32), 128)
        self.neighbour = nn.Sequential(
            nn.Conv2d(1, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16 * 4 * 4, 16), nn.ReLU(), nn.Dropout(0.2),
        )  # fmt: skip
        self.head = MLP(128 + 2 * NEIGHBOURS * 16, 64, 1, dropout=0.5)

    def forward(self, pair: Tensor, around: Tensor) -> Tensor:
        """Return the logit of each pair."""
        n = len(pair)
        features = self.neighbour(around.view(-1, 1, *around.shape[2:])).view(n, -1)
        return self.head(torch.cat([self.primary(pair), features], dim=1)).squeeze(1)


class DeepDRIM(Images):
    """DeepDRIM (Chen et al., Briefings in Bioinformatics 2021): CNNC's image with 2 × 10 images of neighbours beside it.

    The neighbours of a gene are the ten that correlate with it best; for (a, b) the images are those of a with its neighbours and of the
    neighbours of b with b. They are to tell a direct link from one through a third gene. Trained as
    :class:`CNNC`, on at most 4,096 pairs an epoch, with smaller towers than published.
    """

    name = "deepdrim"
    per_epoch = 2**12

    def _prepare(self, columns: GeneColumns, edges: tuple[np.ndarray, np.ndarray]) -> None:
        super()._prepare(columns, edges)
        self._near = nearest(columns, NEIGHBOURS)

    def _build(self) -> nn.Module:
        return DeepDRIMNetwork()

    def _logits(self, network: nn.Module, state: None, tf: np.ndarray, target: np.ndarray) -> Tensor:
        a, b = self._column[tf], self._column[target]
        k = NEIGHBOURS
        first = np.concatenate([np.repeat(a[:, None], k, axis=1), self._near[b]], axis=1)  # (n_pairs, 20)
        second = np.concatenate([self._near[a], np.repeat(b[:, None], k, axis=1)], axis=1)
        around = self._images(first.ravel(), second.ravel()).view(len(a), 2 * k, 32, 32)
        return network(self._images(a, b), around)


def nearest(columns: GeneColumns, k: int) -> np.ndarray:
    """Return the genes that correlate best with each, int64 (n_genes, k); a gene again and again where there are too few."""
    n = len(columns.genes)
    out = np.empty((n, k), dtype=np.int64)
    for start in range(0, n, 512):
        rows = np.arange(start, min(start + 512, n))
        r = correlation(columns.x, rows, np.arange(n))
        r[np.arange(len(rows)), rows] = -np.inf
        out[rows] = np.argsort(-r, axis=1, kind="stable")[:, np.arange(k) % max(1, n - 1)]
    return out
