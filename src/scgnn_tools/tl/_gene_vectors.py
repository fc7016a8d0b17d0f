"""The gene vectors that the tools work on, and the simple ones that they have to beat."""

from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._choices import key
from scgnn_tools._fields import root
from scgnn_tools._keys import EmbeddingKeys
from scgnn_tools._random import RNG, generator
from scgnn_tools.data import open_expression
from scgnn_tools.data.vectors import read_vectors
from scgnn_tools.genes import canonical_symbols, gene_names

if TYPE_CHECKING:
    from anndata import AnnData


def gene_vectors(
    adata: "AnnData", use_rep: str | None, gene_key: str | None, *, symbols: bool = True
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the name of an embedding of genes, its vectors (n_vars, d) and the canonical symbol of each gene.

    Without ``symbols`` it is the name as it stands, which asks nothing of ``var``.
    """
    if use_rep is None:
        written = [k for k in root(adata) if EmbeddingKeys(k).varm in adata.varm]
        use_rep = EmbeddingKeys(written[-1]).varm if written else None
    use_rep = key("use_rep", use_rep, adata.varm, "varm", todo="Run sgt.tl.embed(adata) first.")
    vectors = read_vectors(adata, use_rep, "varm")
    if not symbols:
        return use_rep, vectors, adata.var_names.to_numpy(dtype=str)
    names = gene_names(adata.var, gene_key=gene_key)
    return use_rep, vectors, np.asarray(canonical_symbols(names, organism=None)).astype(str)


def baseline_vectors(
    adata: "AnnData", dimension: int, *, layer: str | None = None, rng: RNG = 0
) -> dict[str, np.ndarray]:
    """Return random vectors, the singular vectors of the log-normalised expression, and its mean, each (n_vars, ·)."""
    from scipy.sparse.linalg import svds

    draws = generator(rng)
    x = open_expression(adata, layer=layer, every_feature=True).log_normalized().astype(np.float64)
    out = {"random": draws.normal(size=(adata.n_vars, dimension)).astype(np.float32)}
    k = min(50, min(x.shape) - 1)
    if k > 0 and x.nnz:
        _, s, vt = svds(x, k, rng=np.random.default_rng(0))
        out["coexpression (SVD)"] = (vt.T * s).astype(np.float32)
    out["mean expression"] = np.asarray(x.mean(axis=0), dtype=np.float32).reshape(-1, 1)
    return out
