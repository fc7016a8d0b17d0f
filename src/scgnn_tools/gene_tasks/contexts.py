"""Genes as a network sees them in cells: the cells that it is tuned on, and the genes of an object in its vocabulary."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._errors import InputValueError
from scgnn_tools.genes import canonical_symbols, gene_names

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.data import Tokens
    from scgnn_tools.fm import FoundationModel, NetworkModel


@dataclass(frozen=True)
class Contexts:
    """Some cells as tokens of a network, and where genes are in its vocabulary.

    Attributes
    ----------
    model
        The network, which is left as it is.
    tokens
        The cells.
    index
        Position of each gene in the vocabulary, -1 for one that it lacks, int64 (n_genes,).
    symbols
        Canonical symbol of each gene, (n_genes,).
    """

    model: "NetworkModel"
    tokens: "Tokens"
    index: np.ndarray
    symbols: np.ndarray

    def vectors(self) -> np.ndarray:
        """Return the gene table of the network, float32 (n_genes, d); NaN for a gene that no cell shows."""
        position = self.model.gene_of_token(self.tokens)
        seen = np.zeros(len(self.model.vocabulary) + 1, dtype=bool)
        seen[position[position >= 0]] = True
        table = self.model.gene_table()
        out = np.full((len(self.index), table.shape[1]), np.nan, dtype=np.float32)
        there = (self.index >= 0) & seen[self.index]
        out[there] = table[self.index[there]]
        return out

    def probabilities(
        self, at: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, **how: Any
    ) -> np.ndarray:
        """Tune on the training genes of a fold; ``at`` are the genes that have a class, ``y`` these classes.

        ``how`` is as in :func:`scgnn_tools.train.gene_classes.fold_probabilities`.
        """
        from scgnn_tools.train.gene_classes import fold_probabilities

        gene, codes = self.index[at], np.full(len(self.model.vocabulary), -1, dtype=np.int64)
        codes[gene] = np.unique(y, return_inverse=True)[1]
        return fold_probabilities(self.model, self.tokens, codes, gene[train], gene[test], **how)


def contexts_of(
    adata: "AnnData | None",
    model: "FoundationModel | None",
    *,
    n_cells: int,
    layer: str | None,
    gene_key: str | None,
    rng: int,
) -> Contexts:
    """Draw cells of an object at random and make them tokens of a network."""
    from scgnn_tools.fm import NetworkModel

    if not isinstance(model, NetworkModel):
        msg = f"method='finetune' wants model=, a network loaded with sgt.fm.load; got {model!r}."
        raise InputValueError(msg)
    if adata is None:
        msg = "method='finetune' sees genes in cells: pass an object; only method='forest' does without."
        raise InputValueError(msg)
    network = model.contextual()
    cells = np.sort(np.random.default_rng(rng).permutation(adata.n_obs)[:n_cells])
    tokens = network.tokenize(adata[cells], layer=layer, gene_key=gene_key)
    names = gene_names(adata.var, gene_key=gene_key)
    index = network.match_names(names, None).index.astype(np.int64)
    return Contexts(network, tokens, index, np.asarray(canonical_symbols(names, organism=None)).astype(str))
