"""What a scNetFormer sees of an AnnData: tokens with the graph of their tissue, cells that validate, the losses in these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import pandas as pd

from scgnn_tools._columns import column_of
from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import SETUP_SCNETFORMER
from scgnn_tools._log import say
from scgnn_tools.data import Tokens
from scgnn_tools.fm.geneformer import Geneformer
from scgnn_tools.fm.masking import draw
from scgnn_tools.fm.scnetformer import ScNetFormer
from scgnn_tools.fm.scnetformer.graph import TokenGraph, token_graph
from scgnn_tools.train.recorded import recorded

if TYPE_CHECKING:
    from anndata import AnnData

Edges: TypeAlias = pd.DataFrame | Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class CellSetup:
    """What ``setup_anndata`` was told: how expression and genes are called, and the column with the tissues."""

    names: dict[str, Any]
    tissue_key: str | None

    @classmethod
    def of(cls, adata: "AnnData") -> Self:
        """Read what was recorded."""
        names = recorded(adata, SETUP_SCNETFORMER, "ScNetFormer")
        return cls(names, names.pop("tissue_key", None))

    def tokens(self, model: ScNetFormer, adata: "AnnData") -> Tokens:
        """Return the tokens of all cells, with the graph of each."""
        tokens, tissues = model.tokenize(adata, **self.names), model.graph.tissues
        if self.tissue_key is None or len(tissues) == 1:
            return tokens
        groups = pd.Index(tissues).get_indexer(column_of(adata.obs, self.tissue_key, "tissue_key").astype(str))
        if (groups < 0).any():
            say(f"scnetformer: {(groups < 0).sum():,} cells are of a tissue without a graph and get the union of all")
        return Tokens(tokens.ids, tokens.values, tokens.offsets, groups.astype(np.int64))


def graph_of(edges: Edges, model: Geneformer, threshold: float) -> TokenGraph:
    """Return a graph of genes over the vocabulary of a model."""

    def find(names: np.ndarray) -> np.ndarray:
        return model.match_names(names, None).index.astype(np.int64)

    return token_graph(edges, find, len(model.vocabulary), threshold=threshold)


def split(model: ScNetFormer, tokens: Tokens, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that train, and a twentieth that validates."""
    usable = np.flatnonzero(tokens.lengths > 2 + 2 * model.sizes.ends)
    if len(usable) < 10:
        msg = f"{len(usable)} cells can be trained on; at least 10 are wanted, with known genes."
        raise InputValueError(msg)
    drawn, n = np.random.default_rng(number).permutation(usable), max(1, len(usable) // 20)
    return np.sort(drawn[n:]), np.sort(drawn[:n])


def validation_losses(model: ScNetFormer, tokens: Tokens, number: int, share: float = 0.15) -> tuple[float, float]:
    """Return the masked and the contrastive loss in the cells that validate, without their weights; NaN for what has none."""
    draws, held = np.random.default_rng(number), tokens.select(split(model, tokens, number)[1])
    masked, other = [], []
    for cell in range(held.n_cells):
        one = held.select(np.array([cell]))
        with model.computing():
            a, b = model.losses(one, draw(model.is_gene(one), share, draws), draws)
        masked.append(float(a))
        other.append(float("nan") if b is None else float(b))
    return float(np.mean(masked)), float(np.mean(other))
