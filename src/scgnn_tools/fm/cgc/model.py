"""Cell-Graph Compass as a foundation model."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._choices import choice, integer
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.data.binning import Binning, bin_values, keep_top, keep_weighted
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._network import NetworkModel
from scgnn_tools.fm.cgc.config import THINNINGS, VARIANTS, CGCConfig
from scgnn_tools.fm.cgc.graph import GeneGraph, Thinning
from scgnn_tools.fm.cgc.network import CGCNetwork
from scgnn_tools.fm.estimate import encoder_flops
from scgnn_tools.fm.masking import bin_loss, with_values
from scgnn_tools.nn import Segments

GRAPH_FILE = "graph.npz"
EDGES_A_GENE = 5

UNTRAINED = ModelCard(
    name="cgc",
    title="Cell-Graph Compass, trained by its user",
    kind="graph transformer",
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

MILLION = 1e6
"""Total of a sample whose values are continuous."""

MASK_VALUE = -3.0
"""What stands for a hidden bin."""


class CGCModel(NetworkModel):
    """Cell-Graph Compass. A cell's vector is the last hidden state of its cell token.

    Parameters
    ----------
    graph
        Edges between the genes of the vocabulary.
    text
        Text features of each token id, float32 (n_tokens, n_text), for networks that were trained with them.
    gene_sampling
        What a cell with more genes than ``max_length`` keeps: "top", the most expressed, or "random", in proportion to the bins, as
        published.
    thinning
        Which co-expression edges a cell with more than four a gene keeps: "strongest", "random", in proportion to their size, or None,
        all; "auto" is that of the network: None for ``variant="paper"``, else "strongest".
    continuous
        Whether values are log1p of counts scaled to a million, as for bulk samples, and not bins; None as the network was trained.
    binning, max_length
        As in :class:`~scgnn_tools.fm.scgpt.ScGPT`.
    """

    network: CGCNetwork
    gene_input = "value"

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        ids: np.ndarray,
        report: dict[str, str],
        config: CGCConfig,
        network: CGCNetwork,
        *,
        graph: GeneGraph,
        text: np.ndarray | None = None,
        gene_sampling: str = "top",
        thinning: str | None = "auto",
        continuous: bool | None = None,
        binning: Binning = "lower",
        max_length: int | None = None,
        **where: Any,
    ) -> None:
        if choice("thinning", thinning, THINNINGS) != "auto":
            config = replace(config, thinning=thinning)
        choice("thinning", config.thinning, THINNINGS[1:])
        if choice("continuous", continuous, (True, False, None)) not in (None, config.continuous):
            length = config.max_length if max_length is None else integer("max_length", max_length, least=2)
            config = replace(config, continuous=bool(continuous), standardised=False, max_length=length)
        super().__init__(card, vocabulary, ids, report, network, vars(config), **where)
        self.sizes, self.graph = config, graph
        self.text = None if text is None else torch.as_tensor(text, device=self.device)
        self.gene_sampling = choice("gene_sampling", gene_sampling, ("top", "random"))
        self.binning = choice("binning", binning, ("lower", "random"))
        self.max_length = config.max_length if max_length is None else integer("max_length", max_length, least=2)

    @classmethod
    def untrained(
        cls, genes: np.ndarray, *, graph: GeneGraph, text: np.ndarray | None = None, seed: int = 0, **options: Any
    ) -> "CGCModel":
        """Return a network with random weights over a vocabulary, to pretrain.

        Parameters
        ----------
        genes
            Symbols, shape (n_genes,).
        graph
            Edges between them, from :func:`~scgnn_tools.fm.cgc.graph.gene_graph`.
        text
            Text features of the genes, float32 (n_genes, width).
        seed
            Of the weights.
        options
            Sizes of the network (:class:`~scgnn_tools.fm.cgc.config.CGCConfig`) and options of this class.
        """
        names = {f.name for f in fields(CGCConfig)}
        sizes = {k: options.pop(k) for k in sorted(names & set(options) - {"max_length"})}
        if "max_length" in options:
            sizes["max_length"] = options["max_length"]
        n_text = 0 if text is None else text.shape[1]
        variant = choice("variant", sizes.get("variant", CGCConfig.variant), VARIANTS)
        if choice("thinning", sizes.get("thinning", "auto"), THINNINGS) == "auto":
            sizes["thinning"] = None if variant == "paper" else "strongest"
        standardised = not choice("continuous", sizes.get("continuous", False), (True, False))
        config = CGCConfig(**{"n_tokens": len(genes) + 3, "n_text": n_text, "standardised": standardised, **sizes})
        if config.dim % config.heads:
            msg = f"dim is a multiple of heads; got {config.dim} and {config.heads}."
            raise InputValueError(msg)
        with torch_random(seed):
            network = CGCNetwork(config)
        if text is not None:
            text = np.concatenate([np.zeros((3, n_text), dtype=np.float32), text])
        found = replace(UNTRAINED, dimension=config.dim, n_genes=len(genes))
        ids = np.arange(3, config.n_tokens, dtype=np.int32)
        return cls(found, np.asarray(genes, dtype=object), ids, {}, config, network, graph=graph, text=text, **options)

    @property
    def longest(self) -> int:
        """Most tokens of a cell, the cell token included."""
        return self.max_length

    def top_value(self, values: np.ndarray) -> float:
        """Return the top bin, or the largest of the values where the network takes them as they are."""
        return super().top_value(values) if self.sizes.continuous else float(self.sizes.n_bins - 1)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer's blocks."""
        return self.network.encoder.layers

    def tokenize_rows(self, rows: sp.csr_array, kind: str, rng: np.random.Generator | None) -> Tokens:
        """Return the genes of each cell with their values in bins, or their log values where the network takes those."""
        draws = np.random.default_rng() if rng is None else rng
        binned = {"binning": self.binning, "rng": draws}
        bins = _log_values(rows, kind) if self.sizes.continuous else bin_values(rows, self.sizes.n_bins, **binned)  # type: ignore[arg-type]
        most = self.max_length - 1
        if self.gene_sampling == "top":
            keep = keep_top(rows, most)
        else:
            keep = keep_weighted(sp.csr_array((bins, rows.indices, rows.indptr), shape=rows.shape), most, draws)
        cell = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))[keep]
        ids = self.ids[rows.indices[keep]]
        return Tokens.with_cell_token(cell, ids, bins[keep], rows.shape[0], self.sizes.cls_id, self.sizes.cls_value)

    def hidden(
        self,
        tokens: Tokens,
        *,
        layer: int | None = None,
        watch: Callable[[int, Tensor], None] | None = None,
        special: Tensor | None = None,
    ) -> tuple[Tensor, Segments]:
        """Return the hidden states of a batch, with each cell's own gene graph, and where each cell lies in them.

        ``special`` is what a task adds to the embedding of each token, (n_tokens, dim), such as a flag of the perturbed genes.
        """
        segments = Segments(tokens.offsets, self.device)
        ids = torch.as_tensor(tokens.ids, dtype=torch.long, device=self.device)
        values = torch.as_tensor(tokens.values, device=self.device)
        both = self.sizes.variant == "paper"
        edges = self.graph.of_cells(
            tokens,
            self.gene_of_state(tokens),
            self.device,
            both_ways=both,
            thinning=cast("Thinning", self.sizes.thinning),
        )
        text = None if self.text is None else self.text[ids]
        layer = -1 if layer is None else layer
        hidden = self.network(ids, values, segments, edges=edges, text=text, special=special, layer=layer, watch=watch)
        return hidden, segments

    def masked_states(self, tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the hidden states of some tokens whose bins are hidden, (n, dim)."""
        return self.hidden(with_values(tokens, at, MASK_VALUE))[0][torch.as_tensor(at, device=self.device)]

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the squared error of the hidden bins from the gene's state, and of all of a cell's bins from its vector."""
        hidden = self.hidden(with_values(tokens, at, MASK_VALUE))
        return bin_loss(self, *hidden, tokens, at, standardised=self.sizes.standardised, cell_over="all")

    def _pool(self, hidden: Tensor, segments: Segments, tokens: Tokens) -> Tensor:
        return segments.first(hidden)

    def gene_table(self) -> np.ndarray:
        """Return the vector of each gene, float32 (n_vocabulary, dim): its embedding after the layer norm."""
        with self.computing():
            return self.network.genes(self.ids_tensor).float().cpu().numpy()

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of a forward pass, with as many edges a gene as blood cells have in the bundled graph."""
        c = self.sizes
        # a message and a new state of the edge, each from three vectors
        by_edge = c.n_graph_layers * 2 * (2 * 3 * c.dim**2)
        of_graph = by_edge * EDGES_A_GENE * float(lengths.sum())
        return encoder_flops(lengths, c.n_layers, c.dim, c.hidden) + of_graph

    def _save_beside(self, folder: Path) -> None:
        arrays = dict(vars(self.graph))
        if self.text is not None:
            arrays["text"] = self.text.cpu().numpy()
        np.savez_compressed(folder / GRAPH_FILE, **arrays)


def _log_values(rows: sp.csr_array, kind: str) -> np.ndarray:
    """Return log1p of the values of each row, scaled to a million where they are counts (TPM and FPKM are), float32 (nnz,)."""
    if kind != "counts":
        return rows.data.astype(np.float32)
    totals = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    factor = MILLION / np.where(totals > 0, totals, 1)
    return np.log1p(rows.data * np.repeat(factor, np.diff(rows.indptr))).astype(np.float32)
