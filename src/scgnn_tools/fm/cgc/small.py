"""A small Cell-Graph Compass over a few hundred genes of the cells at hand, for CPUs and for data that no pretrained network fits."""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools import genes
from scgnn_tools._axes import fixed_signs
from scgnn_tools.fm.cgc.coexpressed import with_coexpression
from scgnn_tools.fm.cgc.graph import gene_graph
from scgnn_tools.fm.cgc.model import CGCModel

LEAST_SPREAD = 1e-6
"""Standard deviation of the log values of a gene that varies, at least."""


def small_network(
    expression: sp.csr_array, names: np.ndarray | None, *, graph: bool = True, seed: int = 0, **options: Any
) -> CGCModel:
    """Return an untrained network over the columns of ``expression``.

    Its edges: transcription factors of TRRUST and neighbours on the chromosome where the genes have names, and the co-expression (above .6)
    of the cells.

    Parameters
    ----------
    expression
        Log-normalised, CSR float32 (n_cells, n_genes).
    names
        Of its columns, object (n_genes,); None if they have none.
    graph
        Whether cells are graphs.
    seed
        Of the weights.
    options
        Sizes and device, as in :meth:`~scgnn_tools.fm.cgc.model.CGCModel.untrained`.
    """
    vocabulary = _symbols(names, expression.shape[1])
    named = names is not None and graph
    edges = gene_graph(
        vocabulary, tf_target=genes.prior() if named else None, positions=genes.positions() if named else None
    )
    if graph and expression.shape[0] > 2:
        edges = with_coexpression(edges, expression)
    return CGCModel.untrained(vocabulary, graph=edges, seed=seed, **options)


def start_from_coexpression(model: CGCModel, expression: sp.csr_array) -> None:
    """Put the singular vectors of the cells' expression into the gene table: genes of like expression start alike.

    A gene that does not vary in these cells keeps its random row: with it there would be more singular vectors than the cells tell apart,
    and rounding would choose their signs.
    """
    from scipy.sparse.linalg import svds

    x = np.asarray(sp.csr_array(expression).todense(), dtype=np.float64)
    table, spread = model.network.genes.embedding.weight, x.std(axis=0)
    told = np.flatnonzero(spread > LEAST_SPREAD)
    k = min(table.shape[1], min(len(x), len(told)) - 1)
    if k < 1:  # genes are alike in nothing
        return
    x = (x[:, told] - x[:, told].mean(axis=0)) / (spread[told] + LEAST_SPREAD)
    _, s, vt = svds(x, k, rng=np.random.default_rng(0))
    vectors = fixed_signs(vt.T) * s
    vectors *= np.sqrt(table.shape[1]) / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    with torch.no_grad():
        table[3 + told, :k] = torch.as_tensor(vectors[:, ::-1].copy(), dtype=table.dtype, device=table.device)


def most_variable(x: sp.csr_array, n: int) -> np.ndarray:
    """Return the columns of the largest variance, sorted, int (at most n,)."""
    mean = np.asarray(x.mean(axis=0)).ravel()
    spread = np.asarray(x.multiply(x).mean(axis=0)).ravel() - mean**2
    return np.sort(np.argsort(-spread, kind="stable")[:n])


def to_columns(columns: np.ndarray, n: int) -> sp.csr_array:
    """Return the matrix that takes ``columns`` out of ``n``, CSR float32 (n, len(columns))."""
    k = len(columns)
    return sp.csr_array((np.ones(k, dtype=np.float32), (columns, np.arange(k))), shape=(n, k))


def _symbols(names: np.ndarray | None, n: int) -> np.ndarray:
    """Return a name of its own for each gene: its human symbol, where no gene before it has that one."""
    own = np.array([f"gene {i}" for i in range(n)], dtype=object)
    if names is None:
        return own
    symbols = genes.human_symbols(names)
    _, first = np.unique(symbols, return_index=True)
    alone = np.zeros(n, dtype=bool)
    alone[first] = True
    return np.where(alone & (symbols != ""), symbols, own)
