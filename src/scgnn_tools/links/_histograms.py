"""Two-dimensional histograms of pairs of genes: what CNNC and DeepDRIM look at."""

import numba
import numpy as np
import scipy.sparse as sp

BINS = 32


def levels(x: sp.csc_array, bins: int = BINS) -> np.ndarray:
    """Return where each value lies between the gene's least and greatest one, uint8 (n_genes, n_cells), ``bins`` equal steps.

    A constant gene lies in the first step.
    """
    out = np.zeros(x.shape[::-1], dtype=np.uint8)
    low, high = (m.toarray().ravel() for m in (x.min(axis=0), x.max(axis=0)))
    width = np.where(high > low, high - low, 1)
    for start in range(0, x.shape[1], 256):
        some = slice(start, start + 256)
        step = (x[:, some].toarray() - low[some]) / width[some] * bins
        out[some] = np.minimum(step, bins - 1).T
    return out


def images(levels: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the histogram of each pair of genes over the cells, float32 (n_pairs, 32, 32), row the first gene.

    On the scale of CNNC: ``(log10(share + 10^-4) + 4) / 4``, 0 where no cell is and 1 where all are.
    """
    counts = np.zeros((len(a), BINS, BINS), dtype=np.float32)
    _count(levels, np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64), counts)
    counts /= levels.shape[1]
    counts += 1e-4
    np.log10(counts, out=counts)
    return (counts + 4) / 4


@numba.njit(cache=True, nogil=True)
def _count(levels: np.ndarray, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:  # pragma: no cover (compiled)
    for p in range(len(a)):
        i, j = a[p], b[p]
        for c in range(levels.shape[1]):
            out[p, levels[i, c], levels[j, c]] += 1
