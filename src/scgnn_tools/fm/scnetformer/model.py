"""scNetFormer as a foundation model: a Geneformer that sees a gene graph."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scgnn_tools._errors import InputValueError
from scgnn_tools._random import torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm.geneformer.config import GeneformerConfig
from scgnn_tools.fm.geneformer.model import Geneformer
from scgnn_tools.fm.scnetformer.config import ScNetFormerConfig
from scgnn_tools.fm.scnetformer.contrastive import info_nce
from scgnn_tools.fm.scnetformer.graph import TokenGraph
from scgnn_tools.fm.scnetformer.network import ScNetFormerNetwork
from scgnn_tools.fm.scnetformer.walks import walk_vectors
from scgnn_tools.nn import Segments
from scgnn_tools.nn.attention import attention_along

GRAPH_FILE, CONTRAST_FILE = "graph.npz", "contrast.npz"


class ScNetFormer(Geneformer):
    """A Geneformer whose pretraining goes on with a gene graph: a thesis's scNetFormer, which has no public code.

    - Early fusion: graph convolutions over the gene embeddings, or fixed vectors from walks over the graph (Gene2Vec), added to the
      embedding of a gene's token behind a gate. Special and masked tokens get none, so that the graph does not give away what is masked.
    - Masked attention: in chosen blocks and heads a token sees itself and its neighbours in the graph. Special tokens, masked ones among
      them, see the whole cell and are seen by it: which genes neighbour a masked one would give it away.
    - Late fusion: a contrastive loss on the last hidden states, whose positives are edges of a graph between genes of the cell.

    Parameters
    ----------
    graph
        Of early fusion and masked attention.
    contrast_graph
        Of the contrastive loss; None takes ``graph``.
    medians, mapping, pooling
        As in :class:`~scgnn_tools.fm.geneformer.Geneformer`.
    """

    network: ScNetFormerNetwork
    sizes: ScNetFormerConfig

    def __init__(
        self,
        card: ModelCard,
        vocabulary: np.ndarray,
        ids: np.ndarray,
        report: dict[str, str],
        config: ScNetFormerConfig,
        network: ScNetFormerNetwork,
        *,
        graph: TokenGraph,
        contrast_graph: TokenGraph | None = None,
        medians: np.ndarray,
        mapping: "pd.Series | None" = None,
        **where: Any,
    ) -> None:
        super().__init__(card, vocabulary, ids, report, config, network, medians=medians, mapping=mapping, **where)
        self.graph = graph
        self.contrast_graph = graph if contrast_graph is None else contrast_graph.in_order(graph.tissues)

    @classmethod
    def of(
        cls,
        model: Geneformer,
        card: ModelCard,
        *,
        graph: TokenGraph,
        contrast_graph: TokenGraph | None = None,
        seed: int = 0,
        **options: Any,
    ) -> "ScNetFormer":
        """Return a network with the weights of a Geneformer, which gives the same hidden states until it is trained.

        Parameters
        ----------
        model
            Any Geneformer; it is left as it is.
        card
            Of the result.
        graph, contrast_graph
            As in the class.
        seed
            Of the graph convolutions.
        options
            ``n_graph_layers``, ``walk_dim``, ``detached``, ``masked_layers``, ``masked_heads``, ``masking``, ``contrast``,
            ``temperature``, ``max_anchors``.
        """
        base = {f.name: getattr(model.sizes, f.name) for f in fields(GeneformerConfig)}
        config = ScNetFormerConfig(**base, **options)
        _check(config)
        with torch_random(seed):
            network = ScNetFormerNetwork(config)
        state = {k: v.detach().cpu().clone() for k, v in model.network.state_dict().items()}
        network.load_state_dict({**network.state_dict(), **state})
        if config.walk_dim:
            vectors = torch.as_tensor(walk_vectors(graph.union, config.walk_dim, rng=seed))
            network.walks[torch.as_tensor(model.ids, dtype=torch.long)] = vectors
        found = replace(card, gene_key=model.card.gene_key, dimension=config.dim, n_genes=len(model.vocabulary))
        found = replace(found, sha256=model.card.sha256)
        return cls(
            found,
            model.vocabulary,
            model.ids,
            dict(model.report),
            config,
            network,
            graph=graph,
            contrast_graph=contrast_graph,
            medians=model.medians,
            mapping=model.synonyms,
            pooling=model.pooling,  # type: ignore[arg-type]
            device=model.device,
        )

    def hidden(
        self, tokens: Tokens, *, layer: int | None = None, watch: Callable[[int, Tensor], None] | None = None
    ) -> tuple[Tensor, Segments]:
        """Return the hidden states of a batch and where each cell lies in them."""
        segments = Segments(tokens.offsets, self.device)
        ids = torch.as_tensor(tokens.ids, dtype=torch.long, device=self.device)
        attend = None
        if self.sizes.masked_layers:
            gene = self.gene_of_state(tokens)
            source, target = (torch.as_tensor(e, device=self.device) for e in self.graph.edges(tokens, gene))
            along = partial(_along, segments, source, target, torch.as_tensor(gene < 0, device=self.device))
            attend = dict.fromkeys(self.sizes.masked_layers, partial(along, self.sizes.masked_heads))
        fusion = self._fusion(tokens) if self.sizes.n_graph_layers else None
        if self.sizes.walk_dim:
            is_gene = torch.as_tensor(self.gene_of_state(tokens) >= 0, device=self.device)
            fusion = self.network.walk_features(ids, is_gene)
        layer = self.default_layer if layer is None else layer
        return self.network(ids, None, segments, layer=layer, watch=watch, fusion=fusion, attend=attend), segments

    def masked_loss(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return Geneformer's loss and the contrastive one, each as often as its weight says."""
        masked, contrast = self.losses(tokens, at, rng)
        loss = self.sizes.masking * masked
        return loss if contrast is None else loss + self.sizes.contrast * contrast

    def losses(self, tokens: Tokens, at: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor | None]:
        """Return the masked loss and the contrastive one without their weights; None where it has none."""
        shown = self._hide(tokens, at, rng)
        hidden, segments = self.hidden(shown, layer=-1)
        contrast = self.contrastive_loss(hidden, shown, segments, rng) if self.sizes.contrast else None
        return self._gene_loss(hidden, tokens, at), contrast

    def contrastive_loss(self, hidden: Tensor, tokens: Tokens, segments: Segments, rng: np.random.Generator) -> Tensor:
        """Return the contrastive loss of a batch, of at most ``max_anchors`` of its tokens."""
        source, target = self.contrast_graph.edges(tokens, self.gene_of_state(tokens))
        anchors = np.unique(source)
        if len(anchors) > self.sizes.max_anchors:
            keep = np.isin(source, rng.choice(anchors, self.sizes.max_anchors, replace=False))
            source, target = source[keep], target[keep]
        a, b = (torch.as_tensor(e, device=self.device) for e in (source, target))
        return info_nce(hidden, a, b, segments.cell, temperature=self.sizes.temperature)

    def _fusion(self, tokens: Tokens) -> Tensor:
        """Return the graph features of each token, zeros for special ones and genes without an edge, (n_tokens, dim)."""
        gene, groups = self.gene_of_state(tokens), self.graph.groups(tokens)
        of_token = np.repeat(groups, tokens.lengths)
        tables, row = [torch.zeros(1, self.sizes.dim, device=self.device)], np.zeros(len(gene), dtype=np.int64)
        begin = 1
        for group in np.unique(groups).tolist():
            nodes = self.graph.nodes(group)
            ids = torch.as_tensor(self.ids[nodes], dtype=torch.long, device=self.device)
            tables.append(self.network.graph_features(self.graph.propagation(group, self.device), ids).float())
            slot = np.zeros(len(self.vocabulary) + 1, dtype=np.int64)
            slot[nodes] = begin + np.arange(len(nodes))
            here = of_token == group
            row[here] = slot[gene[here]]  # the last slot, which -1 leads to, is empty
            begin += len(nodes)
        return torch.cat(tables).index_select(0, torch.as_tensor(row, device=self.device))

    def attention_received(self, adata: Any, **names: Any) -> Any:
        """Return the attention that genes receive in the last block, as for other networks."""
        self._whole_cell()
        return super().attention_received(adata, **names)

    def attention(self, adata: Any, genes: Any, **names: Any) -> "pd.DataFrame":
        """Return the mean attention among chosen genes in the last block, as for other networks."""
        self._whole_cell()
        return super().attention(adata, genes, **names)

    def _whole_cell(self) -> None:
        if self.sizes.n_layers - 1 in self.sizes.masked_layers:
            msg = "The attention of the last block is limited to the graph; what reads attention sees whole cells. Mask other layers."
            raise InputValueError(msg)

    def _save_beside(self, folder: Path) -> None:
        for name, graph in ((GRAPH_FILE, self.graph), (CONTRAST_FILE, self.contrast_graph)):
            np.savez_compressed(folder / name, **graph.arrays())  # type: ignore[arg-type]


def _along(
    segments: Segments, source: Tensor, target: Tensor, everywhere: Tensor, heads: tuple[int, ...] | None,
    q: Tensor, k: Tensor, v: Tensor, dropout: float,
) -> Tensor:  # fmt: skip
    edges = {"source": source, "target": target, "everywhere": everywhere}
    return attention_along(q, k, v, segments, **edges, heads=heads, dropout=dropout)


def _check(config: ScNetFormerConfig) -> None:
    bad = [i for i in config.masked_layers if not 0 <= i < config.n_layers]
    bad_heads = [h for h in config.masked_heads or () if not 0 <= h < config.heads]
    if bad or bad_heads:
        msg = (
            f"masked_layers lie between 0 and {config.n_layers - 1}, masked_heads between 0 and {config.heads - 1}; got "
            f"{list(config.masked_layers)} and {config.masked_heads}."
        )
        raise InputValueError(msg)
    if config.n_graph_layers and config.walk_dim:
        msg = f"Early fusion is by {config.n_graph_layers} convolutions or by walks, not by both: pass graph_layers=0 with walk_dim."
        raise InputValueError(msg)
    if config.masking < 0 or config.walk_dim < 0 or config.masking + config.contrast <= 0:
        msg = f"masking and walk_dim are not negative, and one of the losses has a weight; got {config.masking}, {config.walk_dim}."
        raise InputValueError(msg)
    if config.contrast < 0 or config.temperature <= 0 or config.max_anchors < 1 or config.n_graph_layers < 0:
        msg = (
            "contrast and n_graph_layers are not negative, temperature and max_anchors are positive; got "
            f"{config.contrast}, {config.n_graph_layers}, {config.temperature}, {config.max_anchors}."
        )
        raise InputValueError(msg)
