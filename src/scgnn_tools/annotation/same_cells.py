"""Which cells of a reference are cells of the query: a fingerprint of the counts of each on the genes that both have."""

import numpy as np
import scipy.sparse as sp

LEAST = 20
"""Genes that a cell has to express to be told from others."""
STEPS, MOST = 64, 100
_GENE, _VALUE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


def fingerprints(counts: sp.csr_array) -> np.ndarray:
    """Return a number for each cell, uint64 (n_cells,); 0 for one that expresses too little.

    Values count relative to the smallest of their cell, so that counts and what a normalisation made of them give the same number.

    Parameters
    ----------
    counts
        CSR (n_cells, n_genes), not logarithms; the same genes, in the same order, on both sides.
    """
    n = np.diff(counts.indptr)
    out = np.zeros(len(n), dtype=np.uint64)
    filled = np.flatnonzero(n)
    if not len(filled):
        return out
    starts = counts.indptr[filled]
    least = np.repeat(np.minimum.reduceat(counts.data, starts), n[filled]).astype(np.float64)
    steps = np.rint(np.minimum(counts.data / least, MOST) * STEPS).astype(np.uint64)
    mixed = (counts.indices.astype(np.uint64) + np.uint64(1)) * _GENE ^ steps * _VALUE
    mixed ^= mixed >> np.uint64(31)
    mixed *= _GENE
    mixed ^= mixed >> np.uint64(29)
    out[filled] = np.add.reduceat(mixed, starts)  # wraps around
    out[n < LEAST] = 0
    return out


def both(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return which known cells are among those asked about, bool (n_known,), given the fingerprints of both."""
    return (known != 0) & np.isin(known, asked)
