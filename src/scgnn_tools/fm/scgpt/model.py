"""scGPT as a foundation model."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice, integer
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import torch_random
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

SPECIAL = 3
"""Ids before those of the genes of a new network: padding, the cell token and the end."""

UNTRAINED = ModelCard(
    name="scgpt",
    title="scGPT, trained by its user",
    kind="transformer",
    bundled=False,
    weights="trained by its user",
    sha256="",
    licence="that of the cells it is trained on",
    organism="human",
    gene_key="symbol",
    input="counts",
    dimension=0,
    n_genes=0,
    trained_on="cells of its user",
    limits="What its cells hold.",
)


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
    gene_input = "value"

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
        self.gene_sampling: GeneSampling = choice("gene_sampling", gene_sampling, ("top", "random"))
        self.binning = choice("binning", binning, ("lower", "random"))
        self.max_length = config.max_length if max_length is None else integer("max_length", max_length, least=2)

    @classmethod
    def untrained(cls, genes: np.ndarray, *, seed: int = 0, **options: Any) -> "ScGPT":
        """Return a network with random weights over a vocabulary.

        Parameters
        ----------
        genes
            Symbols, shape (n_genes,).
        seed
            Of the weights.
        options
            Sizes of the network (:class:`~scgnn_tools.fm.scgpt.config.ScGPTConfig`) and options of this class.
        """
        names = {f.name for f in fields(ScGPTConfig)}
        sizes = {k: options.pop(k) for k in sorted(names & set(options) - {"max_length"})}
        if "max_length" in options:
            sizes["max_length"] = options["max_length"]
        config = ScGPTConfig(**{"n_tokens": len(genes) + SPECIAL, "cls_id": 1, **sizes})
        if config.dim % config.heads:
            msg = f"dim is a multiple of heads; got {config.dim} and {config.heads}."
            raise InputValueError(msg)
        with torch_random(seed):
            network = ScGPTNetwork(config)
        card = replace(UNTRAINED, dimension=config.dim, n_genes=len(genes))
        ids = np.arange(SPECIAL, config.n_tokens, dtype=np.int32)
        return cls(card, np.asarray(genes, dtype=object), ids, {}, config, network, **options)

    @property
    def longest(self) -> int:
        """Most tokens of a cell, the cell token included."""
        return self.max_length

    def top_value(self, values: np.ndarray) -> float:
        """Return the top bin."""
        return float(self.sizes.n_bins - 1)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer's blocks."""
        return self.network.encoder.layers

    def hidden(
        self,
        tokens: Tokens,
        *,
        layer: int | None = None,
        watch: Callable[[int, Tensor], None] | None = None,
        special: Tensor | None = None,
    ) -> tuple[Tensor, Segments]:
        """Return the hidden states of a batch and where each cell lies in them.

        ``special`` is what a task adds to the embedding of each token, (n_tokens, dim), such as a flag of the perturbed genes.
        """
        segments = Segments(tokens.offsets, self.device)
        ids = torch.as_tensor(tokens.ids, dtype=torch.long).to(self.device, non_blocking=True)
        values = torch.as_tensor(tokens.values).to(self.device, non_blocking=True)
        layer = self.default_layer if layer is None else layer
        return self.network(ids, values, segments, special=special, layer=layer, watch=watch), segments

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
