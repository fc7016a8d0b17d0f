"""Geneformer as a foundation model, series V1 and V2."""

from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm.estimate import encoder_flops
from scgnn_tools.fm.geneformer.config import GeneformerConfig
from scgnn_tools.fm.geneformer.network import GeneformerNetwork
from scgnn_tools.fm.geneformer.tokens import tokenize
from scgnn_tools.nn import Segments

Pooling = Literal["auto", "cls", "mean"]

UNTRAINED = ModelCard(
    name="geneformer",
    title="Geneformer, trained by its user",
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


class Geneformer(NetworkModel):
    """Geneformer. A cell's vector is read from the second-to-last hidden state, as the published extractor does.

    Parameters
    ----------
    medians
        Median expression of each gene of the vocabulary, by which counts are divided before they are ranked.
    mapping
        Names that lead to genes of the vocabulary, beside the package's own tables: the published ``ensembl_mapping_dict``.
    pooling
        "mean" over the cell's genes, "cls" for the cell token of series V2; "auto" takes "cls" where there is one.
    """

    network: GeneformerNetwork
    gene_input = "rank"
    default_layer = -2
    mask_share = 0.15

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        ids: np.ndarray,
        report: dict[str, str],
        config: GeneformerConfig,
        network: GeneformerNetwork,
        *,
        medians: np.ndarray,
        mapping: "pd.Series | None" = None,
        pooling: Pooling = "auto",
        **where: Any,
    ) -> None:
        extra = {
            "medians": medians.tolist(),
            "mapping": {} if mapping is None else dict(zip(mapping.index, mapping, strict=True)),
        }
        super().__init__(card, vocabulary, ids, report, network, {**vars(config), **extra}, **where)
        self.sizes, self.medians, self.synonyms = config, medians, mapping
        words = ("auto", "cls", "mean") if config.ends else ("auto", "mean")
        chosen = choice("pooling", pooling, words)
        self.pooling = ("cls" if config.ends else "mean") if chosen == "auto" else chosen
        self.config |= {"gene_key": card.gene_key, "pooling": self.pooling}

    @classmethod
    def untrained(cls, genes: np.ndarray, medians: np.ndarray, *, seed: int = 0, **options: Any) -> "Geneformer":
        """Return a Geneformer of series V1 with random weights over a vocabulary, to pretrain.

        Parameters
        ----------
        genes
            Symbols, shape (n_genes,).
        medians
            Median of each gene's normalised counts where it is expressed, positive, shape (n_genes,).
        seed
            Of the weights.
        options
            Sizes of the network (:class:`~scgnn_tools.fm.geneformer.config.GeneformerConfig`; by default those of the published series V1
            with 6 blocks) and options of this class.
        """
        names = {f.name for f in fields(GeneformerConfig)}
        sizes = {k: options.pop(k) for k in sorted(names & set(options))}
        v1 = {"dim": 256, "heads": 4, "hidden": 512, "n_layers": 6, "max_length": 2048}
        config = GeneformerConfig(**{"n_tokens": len(genes) + 2, **v1, **sizes})
        if config.dim % config.heads:
            msg = f"dim is a multiple of heads; got {config.dim} and {config.heads}."
            raise InputValueError(msg)
        with torch_random(seed):
            network = GeneformerNetwork(config)
            for part in (
                network.modules()
            ):  # as BERT begins: with rows of norm √dim the tied output would start far from uniform
                if isinstance(part, nn.Linear | nn.Embedding):
                    nn.init.normal_(part.weight, std=0.02)
        found = replace(UNTRAINED, dimension=config.dim, n_genes=len(genes))
        ids = np.arange(2, config.n_tokens, dtype=np.int32)
        return cls(found, np.asarray(genes, dtype=object), ids, {}, config, network, medians=medians, **options)

    @property
    def series(self) -> str:
        """Return "V1" or "V2"."""
        return "V2" if self.sizes.ends else "V1"

    @property
    def longest(self) -> int:
        """Ranks that the network has a vector of."""
        return self.sizes.max_length

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer's blocks."""
        return self.network.encoder.layers

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the genes of each cell in the order of their rank."""
        if kind == "log1p":  # undone up to a factor for the cell, which ranks do not see
            rows = sp.csr_array((np.expm1(rows.data.astype(np.float64)), rows.indices, rows.indptr), shape=rows.shape)
        c = self.sizes
        return tokenize(rows, self.ids, self.medians, max_length=c.max_length, cls_id=c.cls_id, eos_id=c.eos_id)

    def masked_states(self, tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the last hidden states of some tokens; there are no values to hide, only ranks, (n, dim)."""
        return self.hidden(tokens, layer=-1)[0][torch.as_tensor(at, device=self.device)]

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the cross-entropy of the genes at hidden ranks: 80 % masked, 10 % another gene, 10 % left, as in BERT."""
        return self._gene_loss(self.hidden(self._hide(tokens, at, rng), layer=-1)[0], tokens, at)

    def _hide(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tokens:
        ids, fate = tokens.ids.copy(), rng.random(len(at))
        ids[at[fate < 0.8]] = self.sizes.mask_id
        other = (fate >= 0.8) & (fate < 0.9)
        ids[at[other]] = rng.choice(self.ids, size=other.sum())
        return replace(tokens, ids=ids)

    def _gene_loss(self, hidden: Tensor, tokens: Tokens, at: np.ndarray) -> Tensor:
        states = hidden.index_select(0, torch.as_tensor(at, device=self.device))
        logits = self.network.head(states, self.network.genes.weight)
        return F.cross_entropy(logits.float(), torch.as_tensor(tokens.ids[at], dtype=torch.long, device=self.device))

    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        if self.pooling == "cls":
            return segments.first(hidden)
        return segments.mean(hidden, skip=(self.sizes.ends, self.sizes.ends))

    def gene_table(self) -> np.ndarray:
        """Return the embedding of each gene, float32 (n_vocabulary, dim)."""
        return self.network.genes.weight[self.ids_tensor].float().cpu().numpy()

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of a forward pass; the last block is not needed."""
        return encoder_flops(lengths, self.sizes.n_layers - 1, self.sizes.dim, self.sizes.hidden)
