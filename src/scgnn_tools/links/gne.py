"""``gne``: a vector a gene from who it is and how it is expressed, learnt from the training pairs."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import number
from scgnn_tools._random import RNG
from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links._pair_network import PairNetwork


class GNENetwork(nn.Module):
    """GNE (Kc et al., BMC Systems Biology 2019).

    A gene's own vector and the projection of its expression are joined and brought through a hidden layer; the logit of a pair is the
    product of that with a second vector of the target. The published loss draws negative pairs at random; here they are given.

    Shapes
    ------
    x (n_genes, n_cells) -> (n_genes, 128); pairs -> logits (n_pairs,)
    """

    def __init__(self, n_genes: int, d: int, *, width: int = 128, weight: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        self.structure = nn.Embedding(n_genes, width)
        self.attributes = nn.Linear(d, width)
        self.hidden = nn.Linear(2 * width, width)
        self.output = nn.Embedding(n_genes, width)
        self.bias = nn.Parameter(torch.zeros(n_genes))
        self.weight, self.dropout = weight, nn.Dropout(dropout)
        for table in (self.structure, self.output):
            nn.init.normal_(table.weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vector of each gene as the source of an edge."""
        joined = torch.cat([self.structure.weight, self.weight * F.elu(self.attributes(x))], dim=1)
        return torch.tanh(self.hidden(self.dropout(joined)))


class GNE(PairNetwork):
    """Gene network embedding on expression and training pairs.

    A gene that training does not hold has a vector of its own that nothing was learnt about.

    Parameters
    ----------
    weight
        Of the expression against the gene's own vector (λ of the paper).
    max_epochs, batch_size, lr
        Of the training.
    max_cells
        So many cells are drawn if there are more. None takes all.
    rng, device
        Seed; where to train.
    """

    name = "gne"

    def __init__(
        self,
        *,
        weight: float = 1.0,
        max_epochs: int = 50,
        batch_size: int = 512,
        lr: float = 2e-3,
        max_cells: int | None = 2000,
        rng: RNG = 0,
        device: str = "auto",
    ) -> None:
        super().__init__(
            max_epochs=max_epochs,
            patience=6,
            batch_size=batch_size,
            lr=lr,
            max_cells=max_cells,
            rng=rng,
            device=device,
        )
        self._weight = number("weight", weight, least=0)

    def _prepare(self, columns: GeneColumns, edges: tuple[np.ndarray, np.ndarray]) -> None:
        self._x = torch.as_tensor(columns.standardised(self._genes), device=self._device)

    def _build(self) -> nn.Module:
        return GNENetwork(*self._x.shape, weight=self._weight)

    def _state(self, network: nn.Module) -> Tensor:
        return network(self._x)

    def _logits(self, network: nn.Module, state: Tensor, tf: np.ndarray, target: np.ndarray) -> Tensor:
        at = torch.as_tensor(target, device=self._device)
        return (state[tf] * network.output(at)).sum(dim=1) + network.bias[at]  # type: ignore[operator, index]
