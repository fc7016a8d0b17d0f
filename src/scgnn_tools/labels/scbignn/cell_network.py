"""The cell-level network p: messages between cells that the gene-level network finds alike."""

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools.labels.scbignn.config import Config
from scgnn_tools.nn import MLP, Propagation
from scgnn_tools.nn.pyg import PygConvolution, edge_index

Messages = Propagation | Tensor
"""What cells hear from: D^-1 A, or the edges of A where a convolution of torch-geometric weighs them."""


def messages(config: Config, a: sp.csr_array, device: torch.device) -> Messages:
    """Return a graph of cells as the network of a configuration takes it."""
    return Propagation(a, device=device) if config.conv is None else edge_index(a, device=device)


class CellNetwork(nn.Module):
    r"""p(label | cell, its neighbours).

    .. math::
        z^{(0)} = [h, \mathrm{MLP}(\tilde x)], \quad z^{(l+1)} = \mathrm{MLP}(D^{-1} A z^{(l)} W), \quad
        \mathrm{logits} = \mathrm{MLP}([z^{(0)}, \dots, z^{(L)}])

    Row i of A holds the neighbours of cell i; messages go from them to i and not back. A convolution of torch-geometric may stand for
    :math:`D^{-1} A z W`.

    Parameters
    ----------
    n_features, n_classes
        Genes of x and classes.
    width, n_hops, conv, dropout, gene_dropout
        As in :class:`~scgnn_tools.labels.scbignn.config.Config`.
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        *,
        width: int = 32,
        n_hops: int = 3,
        conv: str | None = None,
        dropout: float = 0.0,
        gene_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        # the first layer on genes is a product with a sparse matrix, so that it is no nn.Linear
        self.register_buffer("centre", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.weight = nn.Parameter(torch.empty(n_features, width))
        nn.init.kaiming_uniform_(self.weight.T, a=5**0.5)
        self.bias = nn.Parameter(torch.zeros(width))
        self.features = nn.Sequential(nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width))
        first = 2 * width
        widths = [first, *[width] * n_hops]
        self.w = nn.ModuleList(
            nn.Linear(n, width, bias=False) if conv is None else PygConvolution(conv, n, width, bipartite=True)
            for n in widths[:-1]
        )
        self.mlps = nn.ModuleList(MLP(width, width, width, dropout=0.0) for _ in range(n_hops))
        self.dropout, self.gene_dropout = nn.Dropout(dropout), nn.Dropout(gene_dropout)
        self.classify = MLP(first + n_hops * width, width, n_classes, dropout=dropout)

    @classmethod
    def of(cls, config: Config, n_features: int, n_classes: int) -> "CellNetwork":
        """Return the network of a configuration."""
        sizes = {"width": config.width, "n_hops": config.n_hops}
        off = {"dropout": config.dropout, "gene_dropout": config.gene_dropout}
        return cls(n_features, n_classes, conv=config.conv, **off, **sizes)  # type: ignore[arg-type]

    def standardise(self, centre: Tensor, scale: Tensor) -> "CellNetwork":
        """Set the mean of each gene and one over its standard deviation."""
        self.centre, self.scale = centre, scale
        return self

    def first(self, h: Tensor, x: Propagation) -> Tensor:
        """Return z^(0), (n_cells, 2 width)."""
        # genes are standardised, and left out in training, without making x dense
        weight = self.gene_dropout(self.scale)[:, None] * self.weight
        return torch.cat([h, self.features(x @ weight + (self.bias - self.centre @ weight))], dim=1)

    def states(self, h: Tensor, x: Propagation, a: Messages) -> list[Tensor]:
        """Return z^(0), …, z^(L) of the cells of a graph."""
        z = [self.first(h, x)]
        for w, change in zip(self.w, self.mlps, strict=True):
            z.append(change(_hear(w, a, z[-1], z[-1])))
        return z

    def attached(self, h: Tensor, x: Propagation, a: Messages, graph: list[Tensor]) -> list[Tensor]:
        """Return z^(0), …, z^(L) of new cells whose neighbours, the columns of ``a``, are cells of a graph that stays as it is."""
        z = [self.first(h, x)]
        for w, change, below in zip(self.w, self.mlps, graph[:-1], strict=True):
            z.append(change(_hear(w, a, below, z[-1])))
        return z

    def logits(self, z: list[Tensor]) -> Tensor:
        """Return the logits of the classes, (n_cells, n_classes)."""
        return self.classify(self.dropout(torch.cat(z, dim=1)))

    def forward(self, h: Tensor, x: Propagation, a: Messages) -> Tensor:
        """Return the logits of the cells of a graph."""
        return self.logits(self.states(h, x, a))


def _hear(w: nn.Module, a: Messages, sending: Tensor, receiving: Tensor) -> Tensor:
    if isinstance(a, Propagation):
        return a @ w(sending)
    out: Tensor = w(a, (sending, receiving))
    return out
