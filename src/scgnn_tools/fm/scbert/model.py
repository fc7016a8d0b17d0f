"""scBERT as a foundation model."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice
from scgnn_tools.data import Tokens
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm.estimate import performer_flops
from scgnn_tools.fm.masking import values_at, with_values
from scgnn_tools.fm.scbert.config import ScBERTConfig
from scgnn_tools.fm.scbert.network import ScBERTNetwork
from scgnn_tools.fm.scbert.tokens import LARGEST, tokenize
from scgnn_tools.nn import Segments
from scgnn_tools.nn.performer import Stabiliser

Pooling = Literal["expressed", "all"]


class ScBERT(NetworkModel):
    """scBERT. It has no published cell vector; ours is the mean hidden state of the genes that the cell expresses.

    Parameters
    ----------
    pooling
        Mean over the "expressed" genes, or over "all" genes, nine tenths of which are zeros in a typical cell.
    stabiliser
        See :func:`scgnn_tools.nn.performer.linear_attention`.
    """

    network: ScBERTNetwork
    gene_input = "value"
    efficiency = 0.45  # half of the time goes into the exponentials of the random features
    mask_share = 0.15

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        report: dict[str, str],
        config: ScBERTConfig,
        network: ScBERTNetwork,
        *,
        pooling: Pooling = "expressed",
        stabiliser: Stabiliser = "cell",
        **where: Any,
    ) -> None:
        ids = np.arange(len(vocabulary))
        super().__init__(card, vocabulary, ids, report, network, vars(config), **where)
        self.sizes = config
        self.pooling = choice("pooling", pooling, ("expressed", "all"))
        self.stabiliser = choice("stabiliser", stabiliser, ("cell", "published"))

    def top_value(self, values: np.ndarray) -> float:
        """Return the top bin."""
        return LARGEST

    @property
    def blocks(self) -> nn.ModuleList:
        """The Performer's blocks."""
        return self.network.performer.layers

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the expressed genes of each cell with their values in bins."""
        if kind == "log1p":
            rows = sp.csr_array((np.expm1(rows.data.astype(np.float64)), rows.indices, rows.indptr), shape=rows.shape)
        return tokenize(rows)

    def dense_tokens(self, tokens: Tokens) -> np.ndarray:
        """Return the token values of every gene and of the last, geneless place, int64 (n_cells, n_genes + 1), as published."""
        out = np.zeros((tokens.n_cells, self.sizes.n_genes + 1), dtype=np.int64)
        out[np.repeat(np.arange(tokens.n_cells), tokens.lengths), tokens.ids] = np.asarray(tokens.values)
        return out

    def hidden(
        self, tokens: Tokens, *, layer: int | None = None, watch: Callable[[int, Tensor], None] | None = None
    ) -> tuple[Tensor, Segments]:
        """Return hidden states of every gene and the last place of each cell, expressed or not."""
        whole = Segments(np.arange(tokens.n_cells + 1) * (self.sizes.n_genes + 1), self.device)
        values = torch.as_tensor(self.dense_tokens(tokens), device=self.device).flatten()
        layer = -1 if layer is None else layer
        return self.network(values, whole, layer=layer, stabiliser=self.stabiliser, watch=watch), whole

    def masked_states(self, tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the hidden states of some genes whose values are hidden, (n, dim)."""
        hidden, _ = self.hidden(with_values(tokens, at, self.sizes.n_values - 1))
        cell = np.repeat(np.arange(tokens.n_cells), tokens.lengths)[at]
        return hidden[torch.as_tensor(cell * (self.sizes.n_genes + 1) + tokens.ids[at], device=self.device)]

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the cross-entropy of the hidden values."""
        truth = values_at(self, tokens, at).long()
        return F.cross_entropy(self.network.to_values(self.masked_states(tokens, at)).float(), truth)

    def gene_of_state(self, tokens: Tokens, *, everywhere: bool = False) -> np.ndarray:
        """Return the gene of each place, -1 for the last one and, unless ``everywhere``, for genes that the cell does not express."""
        if everywhere:
            return np.tile(np.append(np.arange(self.sizes.n_genes), [-1]), tokens.n_cells)
        n = self.sizes.n_genes + 1
        out = np.full(tokens.n_cells * n, -1, dtype=np.int64)
        out[np.repeat(np.arange(tokens.n_cells) * n, tokens.lengths) + tokens.ids] = tokens.ids
        return out

    def lengths(self, tokens: Tokens) -> np.ndarray:
        """Return the number of places, the same for every cell."""
        return np.full(tokens.n_cells, self.sizes.n_genes + 1)

    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        if self.pooling == "all":
            return segments.mean(hidden, skip=(0, 1))
        expressed = torch.as_tensor(np.flatnonzero(self.gene_of_state(tokens) >= 0), device=hidden.device)
        return Segments(tokens.offsets, hidden.device).mean(hidden[expressed])

    def gene_table(self) -> np.ndarray:
        """Return the gene2vec vector of each gene, float32 (n_genes, dim)."""
        return self.network.places[: self.sizes.n_genes].float().cpu().numpy()

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of a forward pass."""
        c = self.sizes
        return performer_flops(lengths, c.n_layers, c.dim, c.heads * c.d_head, c.hidden, c.n_features, c.d_head)
