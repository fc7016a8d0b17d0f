"""``scregnet``: a graph network over the training edges on the gene vectors of a foundation model.

scRegNet (Kommu et al.) joins each gene's foundation-model vector with what a GCN makes of it over the known edges, brings the
result through a shared perceptron, and classifies pairs.
"""

from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import nn

from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.graph import canonical
from scgnn_tools.links._protocol import check_pairs, needs
from scgnn_tools.nn import MLP, GraphConv, Propagation, symmetric_normalized
from scgnn_tools.train import fit_full_batch

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 2**18
CUT = 4.0


class Network(nn.Module):
    """Two graph convolutions, a shared perceptron and a head on pairs.

    Differences from the published code: the GNN's input is the gene vectors (there: expression, one feature a cell, which ties a
    model to one data set), dropout is off at prediction, and the head on pairs is ``"product"`` by default, which adds the product of the
    two genes to their concatenation. ``"concat"`` is the published one: it is a sum of a term of the factor and one of the
    target, so within one factor it ranks targets the same way for every factor.

    Shapes
    ------
    x (n_genes, d), tf and target (n_pairs,) -> logits (n_pairs,)
    """

    def __init__(self, d: int, *, hidden: int, out: int, head: str, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList([GraphConv(d, hidden), GraphConv(hidden, hidden)])
        self.shared = MLP([d + hidden, 2 * out, out], dropout=dropout)
        self.dropout, self.head = nn.Dropout(dropout), head
        self.linear = nn.Linear(3 * out if head == "product" else 2 * out, 1)

    def genes(self, x: torch.Tensor, propagate: Propagation) -> torch.Tensor:
        """Return the representation of every gene, (n_genes, out)."""
        h = self.dropout(torch.relu(self.convs[0](propagate, x)))
        return self.shared(torch.cat([x, self.convs[1](propagate, h)], dim=1))

    def pairs(self, h: torch.Tensor, tf: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the logit of each pair."""
        a, b = h[tf], h[target]
        parts = [a, b, a * b] if self.head == "product" else [a, b]
        return self.linear(torch.cat(parts, dim=1)).squeeze(1)


class ScRegNet:
    """Graph link prediction on gene vectors.

    Parameters
    ----------
    hidden, out
        Widths of the graph layers and of the representation.
    head
        "product" or "concat", see :class:`Network`.
    rng
        Seed.
    device
        Where to train.
    """

    def __init__(
        self,
        *,
        hidden: int = 64,
        out: int = 64,
        head: Literal["product", "concat"] = "product",
        dropout: float = 0.2,
        lr: float = 5e-3,
        weight_decay: float = 1e-4,
        max_epochs: int = 200,
        patience: int = 20,
        rng: RNG = 0,
        device: str = "auto",
    ) -> None:
        if head not in ("product", "concat"):
            msg = f"head is 'product' or 'concat'; got {head!r}."
            raise InputValueError(msg)
        self._shape = {"hidden": hidden, "out": out, "head": head, "dropout": dropout}
        self._training = {"lr": lr, "weight_decay": weight_decay, "max_epochs": max_epochs, "patience": patience}
        self._seed = seed(rng)
        self._device = resolve_device(device)

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "ScRegNet":
        """Train on the pairs; messages pass over their positive ones only, in both directions."""
        pairs = check_pairs(pairs)
        needs(embedding, "embedding", "scregnet")
        if validation is None:
            pairs, validation = _carve(pairs, self._seed)
        validation = check_pairs(validation)
        asked = pd.concat([pairs, validation])
        extra = [] if genes is None else [genes]
        self._genes = pd.Index(pd.unique(as_text(np.concatenate([asked["tf"], asked["target"], *extra]))))
        self._x = torch.as_tensor(_standardised(cast("pd.DataFrame", embedding), self._genes), device=self._device)
        edges = pairs[pairs["label"] == 1]
        self.message_graph = self._graph(edges)
        self._propagate = Propagation(symmetric_normalized(self.message_graph), device=self._device)
        train, stop = self._tensors(pairs), self._tensors(validation)

        def loss(network: nn.Module, part: tuple[torch.Tensor, ...]) -> torch.Tensor:
            h = network.genes(self._x, self._propagate)  # type: ignore[operator]
            return nn.functional.binary_cross_entropy_with_logits(network.pairs(h, part[0], part[1]), part[2])  # type: ignore[operator]

        self._network, self.history = fit_full_batch(
            lambda: Network(self._x.shape[1], **self._shape).to(self._device),  # type: ignore[arg-type]
            lambda m: loss(m, train),
            lambda m: float(loss(m, stop)),
            rng=self._seed,
            what="scregnet",
            **self._training,  # type: ignore[arg-type]
        )
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the logit of each pair; NaN where a gene was not among those of the fit."""
        pairs = check_pairs(pairs, labelled=False)
        out = np.full(len(pairs), np.nan)
        tf, target = self._genes.get_indexer(pairs["tf"]), self._genes.get_indexer(pairs["target"])
        known = np.flatnonzero((tf >= 0) & (target >= 0))
        with torch.no_grad():
            h = self._network.genes(self._x, self._propagate)  # type: ignore[operator]
            for start in range(0, len(known), BLOCK):
                rows = known[start : start + BLOCK]
                a, b = (torch.as_tensor(i[rows], device=self._device) for i in (tf, target))
                out[rows] = self._network.pairs(h, a, b).double().cpu().numpy()  # type: ignore[operator]
        return out

    def _graph(self, edges: pd.DataFrame) -> sp.csr_array:
        i, j = self._genes.get_indexer(edges["tf"]), self._genes.get_indexer(edges["target"])
        n = len(self._genes)
        return canonical(np.concatenate([i, j]), np.concatenate([j, i]), None, (n, n))

    def _tensors(self, pairs: pd.DataFrame) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        tf, target = self._genes.get_indexer(pairs["tf"]), self._genes.get_indexer(pairs["target"])
        label = pairs["label"].to_numpy(dtype=np.float32)
        return tuple(torch.as_tensor(a, device=self._device) for a in (tf, target, label))  # type: ignore[return-value]


def _standardised(embedding: pd.DataFrame, genes: pd.Index) -> np.ndarray:
    """Return the vectors of the genes, each column at mean 0 and variance 1; zeros for a gene without vector.

    Values are cut at four standard deviations: a few genes that every cell expresses lie far outside, and what a network says there is not
    learnt from anything.
    """
    vectors = embedding[~embedding.index.duplicated()].reindex(genes).to_numpy(dtype=np.float32)
    known = np.isfinite(vectors).all(axis=1)
    if not known.any():
        msg = "No gene of the pairs has a vector in embedding=: its index must hold the names that the pairs use."
        raise InputValueError(msg)
    mean, spread = vectors[known].mean(axis=0), vectors[known].std(axis=0) + 1e-6
    return np.where(known[:, None], np.clip((vectors - mean) / spread, -CUT, CUT), 0).astype(np.float32)


def _carve(pairs: pd.DataFrame, rng: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take a tenth of the pairs to stop on."""
    held = generator(rng).random(len(pairs)) < 0.1
    return pairs[~held], pairs[held]
