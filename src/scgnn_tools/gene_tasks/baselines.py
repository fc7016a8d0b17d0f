"""The simple vectors that those of a model have to beat: random ones, and what the cells say of a gene."""

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scgnn_tools._axes import fixed_signs
from scgnn_tools._random import RNG, generator
from scgnn_tools.data import open_expression
from scgnn_tools.data.order import by_content

if TYPE_CHECKING:
    from anndata import AnnData

DRAWS = 10
"""Of random vectors, whose mean is the baseline."""


def baseline_vectors(
    adata: "AnnData | None", at: np.ndarray, dimension: int, *, layer: str | None = None, rng: RNG = 0
) -> dict[str, list[np.ndarray]]:
    """Return the simple vectors of the genes ``at``, one a draw: random ones, and with an object those of its cells."""
    out = {"random": random_vectors(len(at), dimension, rng)}
    if adata is not None:
        out |= {name: [table[at]] for name, table in cell_baselines(adata, layer=layer).items()}
    return out


def random_vectors(n_genes: int, dimension: int, rng: RNG = 0) -> list[np.ndarray]:
    """Return ten draws of random vectors, float32 (n_genes, dimension) each; on a few hundred genes their scores differ by .2."""
    draws = generator(rng)
    return [draws.normal(size=(n_genes, dimension)).astype(np.float32) for _ in range(DRAWS)]


def cell_baselines(adata: "AnnData", *, layer: str | None = None) -> dict[str, np.ndarray]:
    """Return the singular vectors of the log-normalised expression, and its mean, each (n_vars, ·)."""
    from scipy.sparse.linalg import svds

    x = sp.csr_array(open_expression(adata, layer=layer, every_feature=True).log_normalized())
    # neither the order of cells nor that of genes decides the vectors, not by a last digit
    genes = np.argsort(adata.var_names.to_numpy(str), kind="stable")
    x, place = x[by_content(x)][:, genes].astype(np.float64), np.argsort(genes)
    out = {}
    k = min(50, min(x.shape) - 1)
    if k > 0 and x.nnz:
        _, s, vt = svds(x, k, rng=np.random.default_rng(0))
        out["coexpression (SVD)"] = (fixed_signs(vt.T) * s).astype(np.float32)[place]
    out["mean expression"] = np.asarray(x.mean(axis=0), dtype=np.float32).reshape(-1, 1)[place]
    return out


def cell_tables(
    adata: "AnnData", *, layer: str | None = None, n_cells: int = 500, rng: RNG = 0
) -> dict[str, np.ndarray]:
    """Return what a gene is in each of some cells: its log-normalised counts, and its rank in the cell, float32 (n_vars, n_cells) each.

    The best expressed gene of a cell has rank 1, one without counts 0; in between it is the share of the cell's genes that it is above.
    The cells are drawn from those sorted by what they hold, so that their order in the object decides nothing.
    """
    x = open_expression(adata, layer=layer, every_feature=True).log_normalized()
    some = x[by_content(x)[np.sort(generator(rng).permutation(x.shape[0])[:n_cells])]].tocsr()
    ranks = some.astype(np.float32)
    for start, end in zip(ranks.indptr[:-1], ranks.indptr[1:], strict=True):
        _, place = np.unique(ranks.data[start:end], return_inverse=True)
        ranks.data[start:end] = (place + 1) / max(1, place.max(initial=0) + 1)
    return {
        name: np.ascontiguousarray(table.T.toarray(), dtype=np.float32)
        for name, table in (("counts", some), ("ranks", ranks))
    }
