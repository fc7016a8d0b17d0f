"""Cells to tokens as Geneformer wants them: genes by falling expression relative to their median, without values."""

import numba
import numpy as np
import scipy.sparse as sp

from scgnn_tools._threads import as_many_as_torch
from scgnn_tools.data import Tokens


def tokenize(
    rows: sp.csr_array, ids: np.ndarray, medians: np.ndarray, *, max_length: int, cls_id: int, eos_id: int
) -> Tokens:
    """Return the tokens of rows over the vocabulary; an empty row has none.

    Parameters
    ----------
    rows
        Counts, or anything proportional to them within a cell: only the order matters, so the cell's total drops out.
    ids, medians
        Token id and median expression of each gene of the vocabulary.
    max_length
        Most tokens, special ones included.
    cls_id, eos_id
        Special tokens at the ends, or -1.

    Notes
    -----
    Ties go by the place in the vocabulary. The published tokeniser sorts unstably: its order of ties depends on the version of numpy
    and on the processor.
    """
    ends = int(cls_id >= 0)
    lengths = np.diff(rows.indptr).astype(np.int64)
    kept = np.minimum(lengths, max_length - 2 * ends)
    offsets = np.concatenate([[0], np.cumsum(kept + 2 * ends * (kept > 0))])
    out = np.empty(offsets[-1], dtype=np.int32)
    values = rows.data.astype(np.float64) / medians[rows.indices]
    with as_many_as_torch():
        _rank(values, ids[rows.indices].astype(np.int32), rows.indptr.astype(np.int64), kept, offsets, ends, out)
    if ends:
        full = kept > 0
        out[offsets[:-1][full]], out[offsets[1:][full] - 1] = cls_id, eos_id
    return Tokens(out, None, offsets)


@numba.njit(parallel=True, cache=True, nogil=True)
def _rank(
    values: np.ndarray,
    ids: np.ndarray,
    indptr: np.ndarray,
    kept: np.ndarray,
    offsets: np.ndarray,
    ends: int,
    out: np.ndarray,
) -> None:  # pragma: no cover (compiled)
    for row in numba.prange(len(indptr) - 1):
        a, b = indptr[row], indptr[row + 1]
        order = np.argsort(-values[a:b], kind="mergesort")
        for i in range(kept[row]):
            out[offsets[row] + ends + i] = ids[a + order[i]]
