"""scFoundation as a foundation model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice
from scgnn_tools.data import Tokens
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm.estimate import encoder_flops, performer_flops
from scgnn_tools.fm.masking import values_at
from scgnn_tools.fm.scfoundation.config import ScFoundationConfig
from scgnn_tools.fm.scfoundation.network import ScFoundationNetwork
from scgnn_tools.fm.scfoundation.tokens import parse_resolution, tokenize
from scgnn_tools.nn import Segments
from scgnn_tools.nn.performer import Stabiliser

Pooling = Literal["all", "max"]
GENES_FOLDER = "genes"


class ScFoundation(NetworkModel):
    """scFoundation. A cell's vector is [S, T, maximum over genes, mean over genes] of the encoder, of four times its width.

    Parameters
    ----------
    genes_network
        Gives the model with the weights of gene vectors, called when vectors of genes in context are asked for.
    pooling
        "all" as above, or "max" over all tokens, of the encoder's width.
    resolution
        The depth that is asked for: "t4", "f2" or "a1" as published; "t4" means 10,000 counts.
    stabiliser
        See :func:`scgnn_tools.nn.performer.linear_attention`.
    """

    network: ScFoundationNetwork
    gene_input = "value"

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        report: dict[str, str],
        config: ScFoundationConfig,
        network: ScFoundationNetwork,
        *,
        genes_network: "Callable[[], ScFoundation] | None" = None,
        pooling: Pooling = "all",
        resolution: str = "t4",
        stabiliser: Stabiliser = "cell",
        **where: Any,
    ) -> None:
        self.pooling = choice("pooling", pooling, ("all", "max"))
        self.resolution = parse_resolution(resolution)
        self.stabiliser = choice("stabiliser", stabiliser, ("cell", "published"))
        card = replace(card, dimension=config.dim * (4 if pooling == "all" else 1))
        ids = np.arange(len(vocabulary))
        super().__init__(card, vocabulary, ids, report, network, {**vars(config), "n_tokens": config.n_tokens}, **where)
        self.sizes = config
        self._genes_network = genes_network

    @property
    def blocks(self) -> nn.ModuleList:
        """The encoder's blocks."""
        return self.network.encoder.layers

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the genes of each cell with their values, and the tokens T and S."""
        return tokenize(rows, logged=kind == "log1p", resolution=self.resolution)

    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        if self.pooling == "max":
            return segments.max(hidden)
        ends = (segments.first(hidden, -1), segments.first(hidden, -2))
        return torch.cat([*ends, segments.max(hidden, skip=(0, 2)), segments.mean(hidden, skip=(0, 2))], dim=-1)

    def contextual(self) -> "NetworkModel":
        """Return the decoder with the weights for genes."""
        source = self if self._genes_network is None else self._genes_network()
        return ScFoundationGenes(source)

    def predict_expression(self, tokens: Tokens) -> np.ndarray:
        """Return the log-normalised expression that the decoder predicts at the asked depth, float32 (n_cells, n_genes)."""
        model = cast("ScFoundationGenes", self.contextual())
        with self.computing():
            hidden, _ = model.hidden(tokens)
            values = model.network.expression(hidden).view(tokens.n_cells, -1)
        return values[:, : self.sizes.n_genes].float().cpu().numpy()

    def gene_table(self) -> np.ndarray:
        """Return the learnt place of each gene, float32 (n_genes, dim)."""
        return self.network.places.weight[: self.sizes.n_genes].float().cpu().numpy()

    def _save_beside(self, folder: Path) -> None:
        """Write the weights for genes, where there are any, to ``folder/genes``."""
        if self._genes_network is not None:
            self._genes_network().save(folder / GENES_FOLDER)

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of the encoder."""
        return encoder_flops(lengths, self.sizes.n_layers, self.sizes.dim, self.sizes.hidden)


class ScFoundationGenes(NetworkModel):
    """The decoder side of scFoundation: hidden states of all genes of a cell, (19,264 + 2) × 512."""

    network: ScFoundationNetwork
    efficiency = 0.45
    mask_share = 0.3

    def __init__(self, source: ScFoundation) -> None:
        self.__dict__.update(source.__dict__)
        self.card = replace(source.card, dimension=source.sizes.decoder_dim)
        self.sizes, self.stabiliser, self.resolution = source.sizes, source.stabiliser, source.resolution

    @property
    def blocks(self) -> nn.ModuleList:
        """The decoder's blocks."""
        return self.network.decoder.layers

    def hidden(
        self,
        tokens: Tokens,
        *,
        layer: int | None = None,
        watch: Callable[[int, Tensor], None] | None = None,
        masked: Tensor | None = None,
    ) -> tuple[Tensor, Segments]:
        """Return hidden states of every gene, T and S of each cell, expressed or not; ``masked`` rows get the mask's embedding."""
        segments = Segments(tokens.offsets, self.device)
        whole = Segments(np.arange(tokens.n_cells + 1) * (self.sizes.n_genes + 2), self.device)
        ids = torch.as_tensor(tokens.ids, dtype=torch.long, device=self.device)
        values = torch.as_tensor(tokens.values, device=self.device)
        layer = -1 if layer is None else layer
        how = {"layer": layer, "stabiliser": self.stabiliser, "watch": watch, "masked": masked}
        out = self.network.decode(ids, values, segments, whole, **how)
        return out, whole

    def masked_states(self, tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the decoder's states of some genes that the encoder does not see, (n, decoder_dim)."""
        cell = np.repeat(np.arange(tokens.n_cells), tokens.lengths)
        rows = torch.as_tensor(cell[at] * (self.sizes.n_genes + 2) + tokens.ids[at], device=self.device)
        seen = np.ones(len(cell), dtype=bool)
        seen[at] = False
        offsets = np.concatenate([[0], np.cumsum(np.bincount(cell[seen], minlength=tokens.n_cells))])
        values = None if tokens.values is None else tokens.values[seen]
        return self.hidden(Tokens(tokens.ids[seen], values, offsets), masked=rows)[0][rows]

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the squared error of the hidden genes' log-normalised expression."""
        return F.mse_loss(self.network.expression(self.masked_states(tokens, at)).float(), values_at(self, tokens, at))

    def body(self, layer: int) -> list[nn.Module]:
        """Return the blocks of the encoder and of the decoder."""
        return [*self.network.encoder.layers, *self.network.decoder.layers]

    def gene_of_state(self, tokens: Tokens, *, everywhere: bool = False) -> np.ndarray:
        """Return the gene of each place, -1 for T, S and, unless ``everywhere``, for genes that the cell does not express."""
        if everywhere:
            return np.tile(np.append(np.arange(self.sizes.n_genes), [-1] * 2), tokens.n_cells)
        n = self.sizes.n_genes + 2
        out = np.full(tokens.n_cells * n, -1, dtype=np.int64)
        at = np.repeat(np.arange(tokens.n_cells) * n, tokens.lengths) + tokens.ids
        genes = tokens.ids < self.sizes.n_genes
        out[at[genes]] = tokens.ids[genes]
        return out

    def lengths(self, tokens: Tokens) -> np.ndarray:
        """Return the number of places, the same for every cell."""
        return np.full(tokens.n_cells, self.sizes.n_genes + 2)

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the genes of each cell with their values, and the tokens T and S."""
        return tokenize(rows, logged=kind == "log1p", resolution=self.resolution)

    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        return segments.mean(hidden, skip=(0, 2))

    def gene_table(self) -> np.ndarray:
        """Return the learnt place of each gene, float32 (n_genes, dim)."""
        return self.network.places.weight[: self.sizes.n_genes].float().cpu().numpy()

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of the decoder."""
        c = self.sizes
        inner = c.decoder_heads * c.decoder_d_head
        return performer_flops(
            lengths, c.decoder_layers, c.decoder_dim, inner, c.decoder_hidden, c.n_features, c.decoder_d_head
        )
