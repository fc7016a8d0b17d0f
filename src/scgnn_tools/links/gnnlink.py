"""``gnnlink``: graph convolutions over the training edges on expression, and inner products that are to be 0 or 1."""

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice
from scgnn_tools._random import RNG
from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links._pair_network import PairNetwork, Protocol, Rows
from scgnn_tools.nn import Propagation

SLOPE = 0.2


class GNNLinkNetwork(nn.Module):
    """GNNLink (Mao et al., Briefings in Bioinformatics 2023): two graph convolutions, 128 and 64 wide, LeakyReLU after both.

    Shapes
    ------
    S (n_genes, n_genes), x (n_genes, n_cells) -> (n_genes, 64)
    """

    def __init__(self, d: int) -> None:
        super().__init__()
        self.weight1, self.weight2 = nn.Parameter(torch.empty(d, 128)), nn.Parameter(torch.empty(128, 64))
        for weight in (self.weight1, self.weight2):
            nn.init.xavier_uniform_(weight)

    def forward(self, propagate: Propagation, x: Tensor) -> Tensor:
        """Return the vector of each gene."""
        h = F.leaky_relu(propagate @ (x @ self.weight1), SLOPE)
        return F.leaky_relu(propagate @ (h @ self.weight2), SLOPE)


class GNNLink(PairNetwork):
    """Graph convolution link prediction on expression; the score of (a, b) is that of (b, a).

    Parameters
    ----------
    protocol
        "clean": trained until the validation loss rises, scored by the inner product. "paper": 100 epochs, the last is kept, and what
        is negative scores 0, so that many pairs tie.
    max_epochs, lr
        Of the training, which takes all pairs at once; None takes those of the protocol.
    max_cells
        So many cells are drawn if there are more: each is a feature of the genes. None takes all.
    rng, device
        Seed; where to train.
    """

    name = "gnnlink"

    def __init__(
        self,
        *,
        protocol: Protocol = "clean",
        max_epochs: int | None = None,
        lr: float = 1e-3,
        max_cells: int | None = 2000,
        rng: RNG = 0,
        device: str = "auto",
    ) -> None:
        choice("protocol", protocol, ("clean", "paper"))
        self._paper = protocol == "paper"
        usual = 100 if self._paper else 400
        super().__init__(
            max_epochs=usual if max_epochs is None else max_epochs,
            patience=None if self._paper else 40,
            batch_size=2**62,
            lr=lr,
            max_cells=max_cells,
            rng=rng,
            device=device,
        )

    def _prepare(self, columns: GeneColumns, edges: tuple[np.ndarray, np.ndarray]) -> None:
        x = torch.as_tensor(columns.standardised(self._genes), device=self._device)
        self._x = F.normalize(x, dim=1)
        n = len(self._genes)
        self.message_graph = sp.csr_array((np.ones(len(edges[0]), dtype=np.float32), edges), shape=(n, n))
        self._propagate = Propagation(normalized(self.message_graph), device=self._device)

    def _build(self) -> nn.Module:
        return GNNLinkNetwork(self._x.shape[1])

    def _state(self, network: nn.Module) -> Tensor:
        return network(self._propagate, self._x)

    def _logits(self, network: nn.Module, state: Tensor, tf: np.ndarray, target: np.ndarray) -> Tensor:
        product = (state[tf] * state[target]).sum(dim=1)
        return torch.relu(product) if self._paper else product

    def _loss(self, network: nn.Module, state: Tensor, rows: Rows) -> Tensor:
        """Root of the mean squared error over all pairs of genes, of which only the labelled ones count."""
        label = torch.as_tensor(rows[2], device=self._device)
        error = torch.relu(self._logits(network, state, rows[0], rows[1])) - label
        return torch.sqrt((error**2).sum() / len(self._genes) ** 2)


def normalized(edges: sp.csr_array) -> sp.csr_array:
    """Return ``D^-1/2 (A + 2I) D^-1/2``, ``D`` the row sums, CSR float32: the published code adds the loops twice.

    Edges lead from factor to target, so a factor hears of its targets, and a target of itself alone.
    """
    looped = sp.csr_array(edges + 2 * sp.eye_array(edges.shape[0], format="csr"))
    scale = sp.diags_array(np.asarray(looped.sum(axis=1)).ravel() ** -0.5)
    return sp.csr_array(scale @ looped @ scale).astype(np.float32)
