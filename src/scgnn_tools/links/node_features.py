"""What the graph networks on genes read: nodes, their features, the pairs as positions, the graph of the known edges."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text
from scgnn_tools._random import RNG, generator
from scgnn_tools.data import open_expression
from scgnn_tools.graph import canonical
from scgnn_tools.links._expression import GeneColumns, drawn, read_expression
from scgnn_tools.links._protocol import check_vectors, needs

if TYPE_CHECKING:
    from anndata import AnnData

CUT = 4.0
VALIDATION = 0.1
Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Positions of the factors, of the targets, and labels, each (n_pairs,)."""


def nodes(pairs: pd.DataFrame, genes: np.ndarray | None) -> pd.Index:
    """Return every gene of the pairs and of ``genes``, once."""
    extra = [] if genes is None else [genes]
    return pd.Index(pd.unique(as_text(np.concatenate([pairs["tf"], pairs["target"], *extra]))))


def directed(edges: pd.DataFrame, genes: pd.Index) -> sp.csr_array:
    """Return the graph of edges, factor in the row, (n_genes, n_genes)."""
    return canonical(genes.get_indexer(edges["tf"]), genes.get_indexer(edges["target"]), None, (len(genes),) * 2)


def rows(pairs: pd.DataFrame, genes: pd.Index, device: torch.device) -> Rows:
    """Return labelled pairs as tensors."""
    tf, target = genes.get_indexer(pairs["tf"]), genes.get_indexer(pairs["target"])
    label = pairs["label"].to_numpy(dtype=np.float32)
    return tuple(torch.as_tensor(a, device=device) for a in (tf, target, label))  # type: ignore[return-value]


def carve(pairs: pd.DataFrame, rng: RNG) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take a tenth of the pairs to stop on."""
    held = generator(rng).random(len(pairs)) < VALIDATION
    return pairs[~held], pairs[held]


def standardised(embedding: pd.DataFrame, genes: pd.Index) -> np.ndarray:
    """Return the vectors of the genes, each column at mean 0 and variance 1; zeros for a gene without vector.

    Values are cut at four standard deviations: a few genes that every cell expresses lie far outside, and what a network says there is not
    learnt from anything.
    """
    vectors, known = as_given(embedding, genes)
    mean, spread = vectors[known].mean(axis=0), vectors[known].std(axis=0) + 1e-6
    return np.where(known[:, None], np.clip((vectors - mean) / spread, -CUT, CUT), 0).astype(np.float32)


def as_given(embedding: pd.DataFrame, genes: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the genes as they are, zeros for a gene without one, and which genes have one."""
    embedding = check_vectors(embedding)
    vectors = embedding[~embedding.index.duplicated()].reindex(genes).to_numpy(dtype=np.float32)
    known = np.isfinite(vectors).all(axis=1)
    if not known.any():
        msg = "No gene of the pairs has a vector in embedding=: its index must hold the names that the pairs use."
        raise InputValueError(msg)
    return np.where(known[:, None], vectors, 0).astype(np.float32), known


def expression_rows(
    expression: "AnnData | None",
    genes: pd.Index,
    method: str,
    *,
    scaled: bool = True,
    as_it_stands: bool = False,
    max_cells: int | None = None,
    rng: RNG = 0,
) -> np.ndarray:
    """Return the expression of each gene over the cells, float32 (n_genes, n_cells); zeros for a gene that is not there.

    Parameters
    ----------
    expression, method
        As in :func:`~scgnn_tools.links._expression.read_expression`.
    genes
        The rows that are wanted.
    scaled
        At mean 0 and variance 1 over the cells, as scRegNet does; a constant gene is zero.
    as_it_stands
        Take the values of the matrix, whatever they are; else they are log-normalised first.
    max_cells
        So many are drawn if there are more: each is a feature, and the first layer has a weight for it.
    rng
        Seed of the draw.
    """
    needs(expression, "expression", method)
    if as_it_stands:
        opened = open_expression(expression)  # type: ignore[arg-type]
        names = pd.Index(as_text(opened.var.index))
        first = np.flatnonzero(~names.duplicated())
        x = drawn(sp.csr_array(sp.vstack([block for _, block in opened.rows()], format="csr")), max_cells, rng)
        columns = GeneColumns(sp.csc_array(sp.csc_array(x)[:, first]), names[first])
    else:
        columns = read_expression(expression, method, max_cells=max_cells, rng=rng)
    at = columns.at(genes)
    if not (at >= 0).any():
        msg = f"None of the {len(genes):,} genes of the pairs is in expression=: var_names must hold the names of the pairs."
        raise InputValueError(msg)
    if scaled:
        return columns.standardised(genes)
    out = np.zeros((len(genes), columns.n_cells), dtype=np.float32)
    out[at >= 0] = columns.dense(at[at >= 0]).T
    return out
