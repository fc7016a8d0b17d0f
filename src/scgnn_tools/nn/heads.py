"""Heads on hidden states: expression of masked genes, classes, expression from the cell's vector (scGPT, CGC)."""

import torch
from torch import Tensor, nn

from scgnn_tools.nn.mlp import MLP
from scgnn_tools.nn.segments import Segments


class ExpressionDecoder(nn.Module):
    """Predict the value of each token from its hidden state: (n_tokens, dim) -> (n_tokens,)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc = MLP(dim, dim, dim, 1, activation=nn.LeakyReLU)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the predicted values."""
        return self.fc(hidden).squeeze(-1)


class AffineDecoder(nn.Module):
    """Predict the value of each token as a multiple of the value that it came with, plus a shift, both from its state.

    It is that of scGPT for perturbations: (n_tokens, dim) and (n_tokens,) -> (n_tokens,).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.multiple, self.shift = ExpressionDecoder(dim), ExpressionDecoder(dim)

    def forward(self, hidden: Tensor, values: Tensor) -> Tensor:
        """Return the predicted values."""
        return self.multiple(hidden) * values + self.shift(hidden)


class TwoStepDecoder(nn.Module):
    """Tell of each token whether it changes, and which way: (n_tokens, dim) -> (n_tokens,), (n_tokens, n_ways) logits.

    One way is up; four are down strongly, down, up, up strongly (Cell-Graph Compass' bulk knock-outs).
    """

    def __init__(self, dim: int, n_ways: int = 1) -> None:
        super().__init__()
        self.change = ExpressionDecoder(dim)
        self.way = MLP(dim, dim, dim, n_ways, activation=nn.LeakyReLU)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return both logits."""
        return self.change(hidden), self.way(hidden)


class Classifier(nn.Module):
    """Logits of classes from a vector: (n, dim) -> (n, n_classes); hidden layers are Linear, ReLU, LayerNorm."""

    def __init__(self, dim: int, n_classes: int, n_layers: int = 3) -> None:
        super().__init__()
        hidden: list[nn.Module] = []
        for _ in range(n_layers - 1):
            hidden += [nn.Linear(dim, dim), nn.ReLU(), nn.LayerNorm(dim)]
        self.hidden = nn.ModuleList(hidden)
        self.out = nn.Linear(dim, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)


class CellToGene(nn.Module):
    """Predict the value of each token from its cell's vector and its gene's embedding, by a bilinear product.

    Called masked value prediction from the cell embedding (MVC, GEPC) in the papers of scGPT and CGC.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.bilinear = nn.Linear(dim, dim, bias=False)

    def forward(self, cells: Tensor, genes: Tensor, segments: Segments) -> Tensor:
        """Return the predicted values (n_tokens,) from cells (n_cells, dim) and gene embeddings (n_tokens, dim)."""
        return (self.bilinear(torch.sigmoid(self.query(genes))) * cells.index_select(0, segments.cell)).sum(dim=-1)
