"""What the networks on a graph of genes read: features and vectors of the genes, and the graph of the known edges."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from scgnn_tools._random import generator
from scgnn_tools.links import node_features
from scgnn_tools.links._backbones import operator
from scgnn_tools.links._protocol import needs

if TYPE_CHECKING:
    from anndata import AnnData

RANDOM_WIDTH = 64


class GraphInputs:
    """All that a network reads beside the pairs.

    Parameters
    ----------
    genes
        Names of the genes.
    x
        What the graph network reads of each, float32 (n_genes, d).
    vectors
        What goes past it, float32 (n_genes, d_vectors); the same array as ``x`` is kept once.
    directed
        The known edges, factor in the row, (n_genes, n_genes).
    is_tf
        Whether a gene is a factor, bool (n_genes,).
    backbone
        The graph network, which decides what messages pass over; None for none.
    device
        Where to compute.
    """

    def __init__(
        self,
        genes: pd.Index,
        x: np.ndarray,
        vectors: np.ndarray | None,
        directed: sp.csr_array,
        is_tf: np.ndarray,
        *,
        backbone: str | None,
        device: torch.device,
    ) -> None:
        self.genes, self.directed, self.is_tf = genes, directed, is_tf
        self.x = torch.as_tensor(x, device=device)
        self.vectors = None if vectors is None else self.x if vectors is x else torch.as_tensor(vectors, device=device)
        self.message_graph = sp.csr_array(directed.maximum(directed.T))
        self.graph: Any = None if backbone is None else operator(backbone, directed, is_tf, device=device)

    @property
    def d_vectors(self) -> int:
        """Width of the vectors, 0 without them."""
        return 0 if self.vectors is None else self.vectors.shape[1]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`restore` needs: arrays by name, and what JSON can hold."""
        tensors = {"x": self.x.cpu().numpy(), "is_tf": self.is_tf}
        tensors |= {"graph.indptr": self.directed.indptr, "graph.indices": self.directed.indices}
        if self.vectors is not None and self.vectors is not self.x:
            tensors["vectors"] = self.vectors.cpu().numpy()
        return tensors, {"genes": list(map(str, self.genes)), "vectors": self.d_vectors}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], config: dict[str, Any], **where: Any) -> Self:
        """Return what gave that state; ``where`` has the backbone and the device."""
        genes, x = pd.Index(np.array(config["genes"], dtype=object)), tensors["x"]
        vectors = tensors.get("vectors", x if config["vectors"] else None)
        indptr, indices = tensors["graph.indptr"], tensors["graph.indices"]
        ones = np.ones(len(indices), dtype=np.float32)
        directed = sp.csr_array((ones, indices, indptr), shape=(len(genes),) * 2)
        return cls(genes, x, vectors, directed, tensors["is_tf"], **where)


@dataclass(frozen=True)
class Reading:
    """How a predictor reads genes.

    Attributes
    ----------
    method
        Its name.
    features
        What the graph network reads of a gene: its "embedding", "expression", "counts" or "random" numbers.
    vectors
        Whether gene vectors go past the graph network.
    as_given
        Whether vectors and expression are taken as they stand.
    max_cells
        So many cells are drawn if there are more; None takes all.
    backbone
        The graph network, None for none.
    seed
        Of random numbers and of the draw.
    device
        Where to compute.
    """

    method: str
    features: str
    vectors: bool
    as_given: bool
    max_cells: int | None
    backbone: str | None
    seed: int
    device: torch.device

    def inputs(
        self, pairs: pd.DataFrame, genes: pd.Index, expression: "AnnData | None", embedding: pd.DataFrame | None
    ) -> GraphInputs:
        """Return features and vectors of the genes, and the graph of the positive pairs."""
        x, vectors = self._arrays(genes, expression, embedding)
        directed = node_features.directed(pairs[pairs["label"] == 1], genes)
        is_tf = np.isin(np.arange(len(genes)), genes.get_indexer(pairs["tf"]))
        return GraphInputs(genes, x, vectors, directed, is_tf, backbone=self.backbone, device=self.device)

    def _arrays(
        self, genes: pd.Index, expression: "AnnData | None", embedding: pd.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        vectors = None
        if self.vectors or self.features == "embedding":
            needs(embedding, "embedding", self.method)
            table: pd.DataFrame = embedding  # type: ignore[assignment]
            vectors = (
                node_features.as_given(table, genes)[0] if self.as_given else node_features.standardised(table, genes)
            )
        if self.features == "embedding":
            x: np.ndarray = vectors  # type: ignore[assignment]
        elif self.features == "random":
            x = generator(self.seed).normal(size=(len(genes), RANDOM_WIDTH)).astype(np.float32)
        else:
            x = node_features.expression_rows(
                expression,
                genes,
                self.method,
                scaled=self.features == "expression",
                as_it_stands=self.as_given or self.features == "counts",
                max_cells=self.max_cells,
                rng=self.seed,
            )
        return x, vectors if self.vectors else None
