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
    links = sp.csr_array(known.astype(np.float32))
    n_targets = known.sum(axis=1, keepdims=True).astype(np.float32)
    blocks = [slice(s, s + BLOCK) for s in range(0, len(genes), BLOCK)]
    values = Standardised(x, means, bins)
    regulon = sum((values(genes[b]) @ links[:, b].T.toarray() for b in blocks), np.float32(0))
    out, own = np.empty(known.shape, dtype=np.float32), np.empty(len(genes), dtype=np.float32)
    for b in blocks:
        some = values(genes[b])
        out[:, b] = regulon.T @ some  # type: ignore[union-attr]
        own[b] = (some**2).sum(axis=0)  # 1, or 0 for a constant gene
    others = n_targets - known
    out -= known * own
    out /= np.maximum(others, 1)
    out *= others / (others + SHRINK)
    there = (n_targets > 0).ravel()
    if there.any():
        out -= out[there].mean(axis=0)
    out[~there] = 0
    return out
