"""The objective of Cell-Graph Compass and scGPT for cells of several batches."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.data import Tokens
from scgnn_tools.fm import masking
from scgnn_tools.nn.domains import DomainNorm
from scgnn_tools.nn.segments import Segments
from scgnn_tools.train.parts import Part
from scgnn_tools.train.tasks import Task

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel


class _Reversal(torch.autograd.Function):
    """Identity whose gradient is turned around and scaled (Ganin and Lempitsky 2015)."""

    @staticmethod
    def forward(context: Any, x: Tensor, strength: float) -> Tensor:
        """Return ``x``."""
        context.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient times ``-strength``."""
        return -context.strength * gradients[0], None


class Discriminator(nn.Module):
    """Tell a cell's batch from its vector: three linear layers, LeakyReLU and LayerNorm between, (n, dim) -> (n, n_batches)."""

    def __init__(self, dim: int, n_batches: int) -> None:
        super().__init__()
        hidden: list[nn.Module] = []
        for _ in range(2):
            hidden += [nn.Linear(dim, dim), nn.LeakyReLU(), nn.LayerNorm(dim)]
        self.layers = nn.Sequential(*hidden, nn.Linear(dim, n_batches))

    def forward(self, cells: Tensor, strength: float) -> Tensor:
        """Return logits; the cells' gradient is that of a worse guess."""
        reversed_: Tensor = _Reversal.apply(cells, strength)  # type: ignore[no-untyped-call]
        return self.layers(reversed_)


class WithBatch(nn.Module):
    """The two decoders of expression with the batch beside their input: what the batch explains, the vectors need not hold.

    A decoder of the pretrained network gives the first half of the weights; the half of the batch begins at 0.
    """

    def __init__(self, network: Any, dim: int, n_batches: int) -> None:
        super().__init__()
        self.batch = nn.Embedding(n_batches, dim)
        self.first = nn.Linear(dim, dim, bias=False)  # of the decoder from the gene's state
        self.bilinear = nn.Linear(dim, dim, bias=False)  # of the decoder from the cell's vector
        for part in (self.first, self.bilinear):
            nn.init.zeros_(part.weight)
        self.dim = dim

    def from_genes(self, network: Any, hidden: Tensor, batch: Tensor) -> Tensor:
        """Return the values from states of genes (n, dim), each with the code of its cell's batch (n,)."""
        start, *rest = network.decoder.fc
        x = start(hidden) + self.first(self.batch(batch))
        for layer in rest:
            x = layer(x)
        return x.squeeze(-1)

    def from_cells(self, network: Any, cells: Tensor, genes: Tensor, segments: Segments, batch: Tensor) -> Tensor:
        """Return the values of all tokens from the cells' vectors (n_cells, dim) and codes of their batches (n_cells,)."""
        return network.cell_to_gene(cells + self.bilinear(self.batch(batch)), genes, segments)


def own_tokens(tokens: Tokens, at: np.ndarray, cells: np.ndarray, counted: int) -> np.ndarray:
    """Return the positions ``at`` among the tokens of all cells as positions among those of some cells, of which the first count."""
    chosen = np.zeros(int(tokens.offsets[-1]), dtype=bool)
    chosen[at] = True
    bounds = [slice(tokens.offsets[c], tokens.offsets[c + 1]) for c in cells[:counted]]
    return np.flatnonzero(np.concatenate([np.zeros(0, dtype=bool), *(chosen[b] for b in bounds)]))


def elastic_similarity(cells: Tensor, beta: float) -> Tensor:
    """Return mean_ij (1 - (max(cos_ij, 0) - beta)²), the diagonal of the cosines set to 0, as published."""
    unit = F.normalize(cells, dim=-1)
    cosine = (unit @ unit.T).relu()
    cosine = cosine * (1 - torch.eye(len(cells), device=cells.device))
    return (1 - (cosine - beta) ** 2).mean()


class BatchTask(Task):
    """Masked expression, from genes and from the cell, + elastic similarity of cells + a guess of the batch that is to fail.

    In evaluation mode only the first two: the sum with an adversary is not meant to fall, and cannot choose weights.

    Parameters
    ----------
    model
        Whose decoders are widened.
    batch
        Code of each cell's batch, int64 (n_obs,).
    mask_value
        What stands for a hidden bin in the network.
    share
        Of a cell's genes that are hidden.
    cell_over
        Which genes the cell's vector predicts: "all", as Cell-Graph Compass does, or "masked", as scGPT does.
    ecs, dar, beta
        Weights of the third and fourth term, and the threshold of the third.
    ramp_steps
        Steps over which the adversary grows from 0 to 1, as 2 / (1 + exp(-10 p)) - 1; None has it at 1 from the start, as published.
    """

    def __init__(
        self,
        model: "NetworkModel",
        batch: np.ndarray,
        *,
        mask_value: float,
        share: float = 0.4,
        cell_over: str = "all",
        ecs: float = 10.0,
        dar: float = 1.0,
        beta: float = 0.8,
        ramp_steps: int | None = None,
    ) -> None:
        super().__init__()
        dim, n = int(model.config["dim"]), int(batch.max()) + 1
        self.codes, self.mask_value, self.share, self.cell_over = batch, mask_value, share, cell_over
        self.weights, self.beta, self.ramp_steps = (ecs, dar), beta, ramp_steps
        self._norms = [
            m for m in model.network.modules() if isinstance(m, DomainNorm)
        ]  # a list: they are the network's, not of this task
        self.decoders, self.discriminator = WithBatch(model.network, dim, n), Discriminator(dim, n)
        self.step: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the sum."""
        return self.loss_of_part(model, tokens, Part(cells), rng)

    def loss_of_part(self, model: "NetworkModel", tokens: Tokens, part: Part, rng: np.random.Generator) -> Tensor:
        """Return the sum, to which every cell, gene and pair of cells of the batch adds alike, in whichever process it is."""
        network: Any = model.network
        hide = masking.draw(model.is_gene(tokens), self.share, rng)  # the same in every process
        predicted = hide if self.cell_over == "masked" else np.flatnonzero(model.is_gene(tokens))
        n_hidden, n_predicted = (max(1, len(p)) / part.ranks for p in (hide, predicted))
        (cells, own), counted = part.seen, len(part.at)
        at, seen = (own_tokens(tokens, p, own, counted) for p in (hide, predicted))
        tokens = tokens.select(own)
        for norm in self._norms:
            norm.domains = torch.as_tensor(np.repeat(self.codes[cells], tokens.lengths), device=model.device)
        hidden, segments = model.hidden(masking.with_values(tokens, at, self.mask_value))
        hidden = hidden.float()
        device, n_bins = hidden.device, int(model.config["n_bins"]) - 1
        truth = torch.as_tensor(tokens.values, dtype=torch.float32, device=device)
        if model.config.get("standardised"):  # bins run evenly from 1 to n_bins
            truth = (truth - (n_bins + 1) / 2) / ((n_bins**2 - 1) / 12) ** 0.5
        batch = torch.as_tensor(self.codes[cells], device=device)
        rows, every = torch.as_tensor(at, device=device), torch.as_tensor(seen, device=device)
        ids = torch.as_tensor(tokens.ids, dtype=torch.long, device=device)
        vectors = segments.first(hidden)
        of_genes = self.decoders.from_genes(network, hidden.index_select(0, rows), batch[segments.cell[rows]])
        of_cells = self.decoders.from_cells(network, vectors, network.genes(ids), segments, batch)
        out = F.mse_loss(of_genes.float(), truth[rows], reduction="sum") / n_hidden
        out = out + F.mse_loss(of_cells.index_select(0, every).float(), truth[every], reduction="sum") / n_predicted
        if not self.training:
            return out
        ecs, dar = self.weights
        if ecs:
            out = out + ecs * elastic_similarity(part.gather(vectors[:counted]), self.beta)
        if dar:
            guessed = self.discriminator(vectors[:counted], self._strength())
            out = out + dar * F.cross_entropy(guessed, batch[:counted], reduction="sum") * part.ranks / len(part.batch)
        self.step += 1
        return out

    def _strength(self) -> float:
        if self.ramp_steps is None:
            return 1.0
        return float(2 / (1 + np.exp(-10 * min(1.0, int(self.step) / self.ramp_steps))) - 1)
