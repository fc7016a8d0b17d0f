"""What pretraining by masking needs: which genes are hidden, and the loss of the models that predict bins."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scgnn_tools.data import Tokens

if TYPE_CHECKING:
    from scgnn_tools.fm._network import NetworkModel
    from scgnn_tools.nn import Segments


def draw(of_genes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return the positions of a random share of the tokens that are genes, at least one, sorted, int64."""
    genes = np.flatnonzero(of_genes)
    n = min(len(genes), max(1, round(share * len(genes))))
    return np.sort(rng.choice(genes, size=n, replace=False))


def with_values(tokens: Tokens, at: np.ndarray, value: float) -> Tokens:
    """Return the tokens with other values at some positions."""
    values = np.array(tokens.values, dtype=np.float32)
    values[at] = value
    return replace(tokens, values=values)


def values_at(model: "NetworkModel", tokens: Tokens, at: np.ndarray) -> Tensor:
    """Return the true values at some positions, on the model's device."""
    if tokens.values is None:
        msg = f"{model.card.name} has no values."
        raise ValueError(msg)
    return torch.as_tensor(tokens.values[at], device=model.device)


def bin_loss(
    model: Any,
    hidden: Tensor,
    segments: "Segments",
    tokens: Tokens,
    at: np.ndarray,
    *,
    standardised: bool = False,
    cell_over: Literal["all", "masked"] = "masked",
) -> Tensor:
    """Return the loss of scGPT and CGC: the squared error of bins, of the hidden ones from the gene's state, and from the cell's vector.

    Parameters
    ----------
    model, tokens
        The network and its cells, whose bins are the truth.
    hidden, segments
        What the network made of them with the bins ``at`` hidden.
    at
        The hidden ones, int64.
    standardised
        Whether bins are those with a mean near 0 and a variance near 1: a new network does not spend its first thousands of steps on
        their mean and size.
    cell_over
        Which genes the cell's vector predicts: "masked", the hidden ones, as scGPT does, or "all" of the cell, as CGC does.
    """
    network = model.network
    every = at if cell_over == "masked" else np.flatnonzero(model.is_gene(tokens))

    def truth(positions: np.ndarray) -> Tensor:
        values = values_at(model, tokens, positions)
        if not standardised:
            return values
        n = model.sizes.n_bins - 1  # bins run evenly from 1 to n
        return (values - (n + 1) / 2) / ((n**2 - 1) / 12) ** 0.5

    rows, all_rows = (torch.as_tensor(positions, device=hidden.device) for positions in (at, every))
    ids = torch.as_tensor(tokens.ids, dtype=torch.long, device=hidden.device)
    from_gene = network.decoder(hidden.index_select(0, rows))
    from_cell = network.cell_to_gene(segments.first(hidden), network.genes(ids), segments)[all_rows]
    return F.mse_loss(from_gene.float(), truth(at)) + F.mse_loss(from_cell.float(), truth(every))
