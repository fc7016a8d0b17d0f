"""The most similar rows of a table of vectors, by cosine, in blocks."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools.graph.canonical import canonical

BLOCK = 2048


@door_of_arrays
def cosine_topk(vectors: np.ndarray, k: int, *, minimum: float = 0.0) -> sp.csr_array:
    """Link every row to its ``k`` most similar ones.

    Parameters
    ----------
    vectors
        (n, d); rows that are zero or not finite get no edge.
    k
        Edges a row, at most n - 1.
    minimum
        Edges up to this cosine are left out.

    Returns
    -------
    csr_array
        float32 (n, n), cosine as weight, not symmetric; at no time more than a block of 2,048 rows is dense.

    Examples
    --------
    >>> sgt.graph.cosine_topk(adata.varm["cgc-mini"], 5).shape
    (1000, 1000)
    """
    n = len(vectors)
    k = min(k, n - 1)
    good = np.isfinite(vectors).all(axis=1)
    x = np.where(good[:, None], vectors, 0).astype(np.float32)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    x = np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
    rows, columns, values = [], [], []
    for start in range(0, n if k > 0 else 0, BLOCK):
        similarity = x[start : start + BLOCK] @ x.T  # (block, n)
        here = np.arange(similarity.shape[0])
        similarity[here, start + here] = -np.inf
        best = np.argpartition(-similarity, k - 1, axis=1)[:, :k]  # (block, k)
        value = np.take_along_axis(similarity, best, axis=1)
        keep = value > minimum
        rows.append((start + np.repeat(here, k).reshape(-1, k))[keep])
        columns.append(best[keep])
        values.append(np.minimum(value[keep], 1.0))
    if not rows:
        return sp.csr_array((n, n), dtype=np.float32)
    return canonical(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), (n, n))


def unit_length(x: np.ndarray) -> np.ndarray:
    """Return the rows of a dense matrix with length one; rows of zeros stay."""
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)
