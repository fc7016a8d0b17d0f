"""Whether a gene goes with the other known targets of a factor: targets rise together even where the factor's own counts say little."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.grn.evidence import BLOCK, Standardised

SHRINK = 3.0
"""Known targets that a factor's mean is shrunk by."""


def coherence(
    x: sp.csr_array,
    known: np.ndarray,
    genes: np.ndarray,
    *,
    means: sp.csr_array | None = None,
    bins: np.ndarray | None = None,
) -> np.ndarray:
    """Return how each gene correlates with the known targets of each factor, float32 (n_tfs, n_genes).

    The mean correlation with the factor's targets, the gene itself left out, shrunk to 0 for a factor with few, less its mean over
    factors: that a gene goes with everything says nothing of a factor. What a pair's own label is never matters.

    Parameters
    ----------
    x
        Log-normalised cells.
    known
        Which of ``genes`` are known targets of each factor, bool (n_tfs, n_genes).
    genes
        Columns of ``x``.
    means, bins
        As in :func:`scgnn_tools.grn.evidence.correlations`.
    """
    out, told = np.zeros(known.shape, dtype=np.float32), np.flatnonzero(known.any(axis=1))
    if not len(told):
        return out
    known = known[told]
    values = Standardised(x, means, bins)
    del x  # by columns from here on
    regulon, own = _regulons(values, known, genes), np.empty(len(genes), dtype=np.float32)
    found = np.empty(known.shape, dtype=np.float32)
    for start in range(0, len(genes), BLOCK):
        block = slice(start, start + BLOCK)
        some = values(genes[block])
        found[:, block] = regulon @ some
        own[block] = (some**2).sum(axis=0)  # 1, or 0 for a constant gene
    others = known.sum(axis=1, keepdims=True).astype(np.float32) - known
    found -= known * own
    found /= np.maximum(others, 1)
    found *= others / (others + SHRINK)
    found -= found.mean(axis=0)
    out[told] = found
    return out


def _regulons(values: Standardised, known: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return the sum of the known targets of each factor, float32 (n_tfs, n_cells)."""
    targets = np.flatnonzero(known.any(axis=0))
    links = sp.csc_array(known[:, targets].astype(np.float32))
    out: np.ndarray | None = None
    for start in range(0, len(targets), BLOCK):
        block = slice(start, start + BLOCK)
        part = sp.csr_array(links[:, block]) @ np.ascontiguousarray(values(genes[targets[block]]).T)
        out = part if out is None else np.add(out, part, out=out)
    return out  # type: ignore[return-value]
