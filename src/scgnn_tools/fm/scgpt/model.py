"""scGPT as a foundation model."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice, integer
from scgnn_tools.data import Tokens
from scgnn_tools.data.binning import Binning
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm.estimate import encoder_flops
from scgnn_tools.fm.masking import bin_loss, with_values
from scgnn_tools.fm.scgpt.config import ScGPTConfig
from scgnn_tools.fm.scgpt.network import ScGPTNetwork
from scgnn_tools.fm.scgpt.tokens import GeneSampling, tokenize
from scgnn_tools.nn import Segments

MASK_VALUE = -1.0
"""What stands for a hidden bin."""


class ScGPT(NetworkModel):
    """scGPT. A cell's vector is the last hidden state of its cell token, of length 1.

    Parameters
    ----------
    gene_sampling
        What a cell with more genes than ``max_length`` keeps: "top", the most expressed, or "random", as published.
    binning
        What happens to a value that stands on several equal bin edges, as most counts do: "lower", the lowest of the bins, or "random",
        as published, where most tokens of a cell are drawn at random.
    max_length
        Most tokens of a cell; None takes the published 1,200.
    """

    network: ScGPTNetwork

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        ids: np.ndarray,
        report: dict[str, str],
        config: ScGPTConfig,
        network: ScGPTNetwork,
        *,
        gene_sampling: GeneSampling = "top",
        binning: Binning = "lower",
        max_length: int | None = None,
        **where: Any,
    ) -> None:
        super().__init__(card, vocabulary, ids, report, network, vars(config), **where)
        self.sizes = config
        self.gene_sampling = choice("gene_sampling", gene_sampling, ("top", "random"))
        self.binning = choice("binning", binning, ("lower", "random"))
        self.max_length = config.max_length if max_length is None else integer("max_length", max_length, least=2)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer's blocks."""
        return self.network.encoder.layers

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the genes of each cell with their values in bins."""
        return tokenize(
            rows,
            self.ids,
            cls_id=self.sizes.cls_id,
            cls_value=self.sizes.cls_value,
            n_bins=self.sizes.n_bins,
            max_length=self.max_length,
            gene_sampling=self.gene_sampling,
            binning=self.binning,
            rng=rng,
        )

    def masked_states(self, tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the hidden states of some tokens whose bins are hidden, (n, dim)."""
        return self.hidden(with_values(tokens, at, MASK_VALUE))[0][torch.as_tensor(at, device=self.device)]

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the squared error of the hidden bins, from the gene's state and from the cell's vector."""
        return bin_loss(self, *self.hidden(with_values(tokens, at, MASK_VALUE)), tokens, at)

    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        return F.normalize(segments.first(hidden), dim=-1)

    def gene_table(self) -> np.ndarray:
        """Return the vector of each gene, float32 (n_vocabulary, dim): its embedding after the layer norm."""
        with self.computing():
            table = self.network.genes(self.ids_tensor)
        return table.float().cpu().numpy()

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of a forward pass."""
        return encoder_flops(lengths, self.sizes.n_layers, self.sizes.dim, self.sizes.hidden)
