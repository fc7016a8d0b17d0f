"""Two dimensions of vectors, for figures that are given none."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._random import RNG, generator, seed

if TYPE_CHECKING:
    from anndata import AnnData

MOST_CELLS = 20_000
"""Cells that are drawn, at most."""


def some_cells(n_obs: int, rng: RNG) -> np.ndarray:
    """Return the cells that are drawn, in their order, at most 20,000."""
    cells = np.arange(n_obs)
    return cells if n_obs <= MOST_CELLS else np.sort(generator(rng).choice(cells, MOST_CELLS, replace=False))


FEWEST = 6
"""Cells from which on UMAP finds its first layout."""


def umap(vectors: np.ndarray, rng: RNG) -> np.ndarray:
    """Return the UMAP of vectors (n_cells, d), float32 (n_cells, 2); of a few cells, their first two dimensions."""
    if len(vectors) < FEWEST:
        wide = np.asarray(vectors, dtype=np.float32)
        return np.hstack([wide, np.zeros((len(wide), 2), dtype=np.float32)])[:, :2]
    import anndata as ad
    import scanpy as sc

    number = seed(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap's, of its own threads
        cells = ad.AnnData(np.asarray(vectors, dtype=np.float32))
        sc.pp.neighbors(cells, n_neighbors=min(15, len(vectors) - 1), use_rep="X", random_state=number)
        sc.tl.umap(cells, random_state=number, key_added="flat")
    return np.asarray(cells.obsm["flat"])


def map_of(adata: "AnnData", basis: str | None, rep: str, rng: RNG) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells that are drawn and where, (n_cells, 2): all by ``obsm[basis]``, or some by a UMAP of ``obsm[rep]``."""
    if basis is not None:
        return np.arange(adata.n_obs), np.asarray(adata.obsm[basis])[:, :2]
    cells = some_cells(adata.n_obs, rng)
    return cells, umap(np.asarray(adata.obsm[rep])[cells], rng)
