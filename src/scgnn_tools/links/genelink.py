"""``genelink``: graph attention over the training edges on the expression of each gene, one channel a role."""

from typing import Literal

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice
from scgnn_tools._random import RNG
from scgnn_tools.graph import canonical
from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links._pair_network import PairNetwork, Protocol
from scgnn_tools.nn import AttentionHeads, Edges

SLOPE = 0.2


class Channel(nn.Module):
    """Two linear layers that turn a gene into a factor, or into a target.

    Shapes
    ------
    (n_genes, d) -> (n_genes, out)
    """

    def __init__(self, d: int, hidden: int, out: int, *, dropout: float, always: bool) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(d, hidden), nn.Linear(hidden, out)
        self.dropout, self.always = dropout, always
        for layer in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(layer.weight, gain=1.414)

    def forward(self, h: Tensor) -> Tensor:
        """Return the gene in this role."""
        h = F.dropout(F.leaky_relu(self.linear1(h)), self.dropout, self.always or self.training)
        return F.leaky_relu(self.linear2(h))


class GENELinkNetwork(nn.Module):
    """GENELink (Chen and Liu, Bioinformatics 2022).

    Two layers of graph attention, three heads of 128 joined and three of 64 averaged, then a channel 64 → 32 → 16 for each role; a
    pair's score is the product of the two, or a linear layer on both.

    Shapes
    ------
    edges (n_genes, n_genes), x (n_genes, n_cells) -> two of (n_genes, 16); pairs of them -> logits (n_pairs,)
    """

    def __init__(self, d: int, *, score: str = "dot", dropout: float = 0.01, always: bool = False) -> None:
        super().__init__()
        self.attention1 = AttentionHeads(d, 128, 3, reduction="concat", slope=SLOPE)
        self.attention2 = AttentionHeads(3 * 128, 64, 3, reduction="mean", slope=SLOPE)
        self.tf = Channel(64, 32, 16, dropout=dropout, always=always)
        self.target = Channel(64, 32, 16, dropout=dropout, always=always)
        self.linear = nn.Linear(32, 2) if score == "mlp" else None

    def encode(self, edges: Edges, x: Tensor) -> Tensor:
        """Return each gene in its neighbourhood, (n_genes, 64)."""
        return self.attention2(edges, F.elu(self.attention1(edges, x)))

    def roles(self, edges: Edges, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return each gene as a factor and as a target, (n_genes, 16) each."""
        h = self.encode(edges, x)
        return self.tf(h), self.target(h)

    def decode(self, tf: Tensor, target: Tensor) -> Tensor:
        """Return the logit of pairs of the two, (n_pairs,)."""
        if self.linear is None:
            return (tf * target).sum(dim=1)
        no, yes = self.linear(torch.cat([tf, target], dim=1)).unbind(dim=1)
        return yes - no  # a softmax over two is the logistic of their difference


class GENELink(PairNetwork):
    """Graph attention link prediction on expression.

    Parameters
    ----------
    protocol
        "clean": the learning rate falls by a fifth each epoch, the epoch that validates best is kept, dropout is off in scoring.
        "paper": as published; the rate falls by a hundredth each *batch* of 256, so that training as good as ends after a few
        epochs, the last one is kept, and the dropout of the channels stays on.
    score
        "dot", or "mlp" for a score with a direction of its own.
    max_epochs, patience, batch_size, lr, decay
        Of the training: most epochs, how many may pass without a better validation loss, pairs a batch, the learning rate and by what
        it is multiplied each epoch. ``protocol="paper"`` takes its own patience and decay.
    max_cells
        So many cells are drawn if there are more: each is a feature of the genes. None takes all.
    rng, device
        Seed; where to train.
    """

    name = "genelink"

    def __init__(
        self,
        *,
        protocol: Protocol = "clean",
        score: Literal["dot", "mlp"] = "dot",
        max_epochs: int = 20,
        patience: int | None = 6,
        batch_size: int = 256,
        lr: float = 3e-3,
        decay: float = 0.8,
        max_cells: int | None = 2000,
        rng: RNG = 0,
        device: str = "auto",
    ) -> None:
        choice("protocol", protocol, ("clean", "paper"))
        choice("score", score, ("dot", "mlp"))
        super().__init__(
            max_epochs=max_epochs,
            patience=patience,
            batch_size=batch_size,
            lr=lr,
            decay=decay,
            max_cells=max_cells,
            rng=rng,
            device=device,
        )
        if protocol == "paper":  # whatever was given
            self._patience, self._decay, self._decay_every = None, 0.99, "batch"
        self._options = {"score": score, "always": protocol == "paper"}

    def _prepare(self, columns: GeneColumns, edges: tuple[np.ndarray, np.ndarray]) -> None:
        self._x = torch.as_tensor(columns.standardised(self._genes), device=self._device)
        self.message_graph = undirected(edges, len(self._genes))
        self._edges = Edges(self.message_graph, device=self._device)

    def _build(self) -> nn.Module:
        return GENELinkNetwork(self._x.shape[1], **self._options)  # type: ignore[arg-type]

    def _state(self, network: nn.Module) -> tuple[Tensor, Tensor]:
        return network.roles(self._edges, self._x)  # type: ignore[operator]

    def _logits(self, network: nn.Module, state: tuple[Tensor, Tensor], tf: np.ndarray, target: np.ndarray) -> Tensor:
        return network.decode(state[0][tf], state[1][target])  # type: ignore[operator]


def undirected(edges: tuple[np.ndarray, np.ndarray], n: int) -> sp.csr_array:
    """Return the graph that holds each edge in both directions, (n, n)."""
    return canonical(np.concatenate(edges), np.concatenate(edges[::-1]), None, (n, n))
