"""The network of scGraPhT: graph convolutions along a pathway and a linear head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from scgnn_tools.labels.scgrapht.similarity import Matrix
from scgnn_tools.nn import GraphConv, Propagation

Activation = Literal["repo", "paper"]


class Chain:
    """A product of sparse matrices, ready for ``chain @ H`` with gradients to ``H``."""

    def __init__(self, matrix: Matrix, *, device: torch.device | None = None, trained_through: bool = True) -> None:
        self.factors = [Propagation(m, device=device, with_transpose=trained_through) for m in matrix]

    def __matmul__(self, h: Tensor) -> Tensor:
        """Return the product with ``h``."""
        for factor in reversed(self.factors):
            h = factor @ h
        return h


@dataclass
class Rows:
    """What cells that are asked about see, and the graph's nodes in the layers before the last.

    Attributes
    ----------
    chains
        One for each layer, None where the layer's rows are not needed.
    first
        The first matrix times the cells' vectors, if the pathway starts with cells that have vectors.
    loop
        Weight of each cell's edge to itself in CC steps, (n_rows, 1); None where that is in the matrix.
    """

    chains: list[Chain | None]
    first: Tensor | None = None
    loop: Tensor | None = None


class PathwayNetwork(nn.Module):
    r"""Graph convolutions along a pathway :math:`S_1, …, S_L`, and a linear head.

    As published (``activation="repo"``), with dropout behind the LeakyReLU and widths halved from layer to layer,

    .. math:: H_1 = \mathrm{LN}(S_1 X W_1 + b_1), \quad H_l = \mathrm{LeakyReLU}(\mathrm{LN}(S_l H_{l-1} W_l + b_l)),

    and as in the paper (``activation="paper"``) :math:`H_l = \mathrm{ReLU}(S_l H_{l-1} W_l + b_l)`.

    :math:`S_1 X` does not change in training: it is an input. Where :math:`X` is the identity (genes, or cells without vectors), the first
    layer is :math:`S_1 W_1`; vectors of genes are kept with the network, whose first layer is then :math:`S_1 (X W_1)`. The published
    code has one more graph convolution, which nothing uses.

    Parameters
    ----------
    steps
        The pathway.
    d
        Width of the vectors, or number of nodes where the identity is the input.
    n_classes
        Number of classes.
    width
        Of the first layer.
    dropout
        Share of units that are dropped in training.
    activation
        See above.
    learn_lambda
        Whether the network holds the weight of the fusion.
    of_genes
        Vectors of the gene nodes, float32 (n_genes, d), where they are the input; None elsewhere.
    """

    of_genes: Tensor | None

    def __init__(
        self,
        steps: Sequence[str],
        d: int,
        n_classes: int,
        *,
        width: int = 256,
        dropout: float = 0.2,
        activation: Activation = "repo",
        learn_lambda: bool = False,
        of_genes: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.steps, self.activation = tuple(steps), activation
        widths = [max(width // 2**i, 1) for i in range(len(steps))]
        self.convs = nn.ModuleList([GraphConv(a, b) for a, b in zip([d, *widths], widths, strict=False)])
        self.norms = nn.ModuleList([nn.LayerNorm(w) if activation == "repo" else nn.Identity() for w in widths])
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        self.head = nn.Linear(widths[-1], n_classes)
        self.register_buffer("of_genes", None if of_genes is None else torch.as_tensor(of_genes, dtype=torch.float32))
        self.logit_lambda = nn.Parameter(torch.tensor(0.85)) if learn_lambda else None  # sigmoid(.85) is the paper's .7

    def weight(self, i: int) -> Tensor:
        """Return the weight of a layer, (n_in, n_out); of the first one, where vectors of genes go in, what each gene gives."""
        weight = cast("GraphConv", self.convs[i]).weight
        return weight if i or self.of_genes is None else self.of_genes @ weight

    def forward(self, graph: Rows, rows: Rows) -> Tensor:
        """Return log-probabilities of the cells asked about, (n_rows, n_classes)."""
        return self.classify(self.asked(rows, self.inputs(graph)))

    def classify(self, states: Tensor) -> Tensor:
        """Return log-probabilities of what the last layer gives."""
        return torch.log_softmax(self.head(states), dim=1)

    def inputs(self, graph: Rows) -> list[Tensor | None]:
        """Return what each layer takes from the graph's nodes; None for the first, whose input is constant."""
        out: list[Tensor | None] = [None]
        for i in range(len(self.steps) - 1):
            out.append(self._layer(i, graph, out[-1], None))
        return out

    def asked(self, rows: Rows, inputs: list[Tensor | None]) -> Tensor:
        """Return what the last layer gives for the cells asked about, (n_rows, d_last).

        Parameters
        ----------
        rows
            Their rows.
        inputs
            Of :meth:`inputs`.
        """
        state = None
        for i, step in enumerate(self.steps):
            last = i == len(self.steps) - 1
            wanted = last or (step[0] == "C" and self.steps[i + 1] == "CC" and rows.loop is not None)
            state = self._layer(i, rows, inputs[i], state if step == "CC" else None) if wanted else None
        if state is None:
            msg = "the last step gives cells"
            raise AssertionError(msg)
        return state

    def _layer(self, i: int, rows: Rows, h: Tensor | None, own: Tensor | None) -> Tensor:
        chain, weight, bias = rows.chains[i], self.weight(i), cast("GraphConv", self.convs[i]).bias
        if i == 0:
            z = rows.first @ weight if rows.first is not None else chain @ weight  # type: ignore[operator]
        else:
            z = chain @ (h @ weight)  # type: ignore[operator]
            if own is not None:
                z = z + cast("Tensor", rows.loop) * (own @ weight)
        z = self.norms[i](z + bias)
        if self.activation == "paper":
            return self.dropout(torch.relu(z))
        # in place: the norm does not need its result again
        return z if i == 0 else self.dropout(nn.functional.leaky_relu(z, 0.01, inplace=True))
