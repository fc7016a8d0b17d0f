"""Cells to tokens as scBERT wants them: whole numbers of log2(1 + counts per 10,000), at most 5; zeros are left out of storage."""

import numpy as np
import scipy.sparse as sp

from scgnn_tools.data import Tokens

LARGEST = 5


def tokenize(rows: sp.csr_array) -> Tokens:
    """Return the tokens above zero of rows of counts over the gene list, ids being places in it; an empty row has none.

    Every expressed gene is stored, even where its bin is 0, so that a cell with counts is never empty.
    """
    counts = rows.data.astype(np.float64)
    lengths = np.diff(rows.indptr)
    cell = np.repeat(np.arange(rows.shape[0]), lengths)
    total = np.bincount(cell, weights=counts, minlength=rows.shape[0])
    bins = np.minimum(np.trunc(np.log2(1 + counts / total[cell] * 1e4)), LARGEST)
    return Tokens(rows.indices.astype(np.int32), bins.astype(np.float32), rows.indptr.astype(np.int64))
