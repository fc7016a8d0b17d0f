"""``spearman``: the absolute rank correlation of the expression of two genes."""

import numpy as np
import scipy.sparse as sp
from scipy.stats import rankdata

from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links.pcc import PCC


class Spearman(PCC):
    """Absolute Pearson correlation of the ranks over the cells, ties at their mean; the labels are not used."""

    name = "spearman"

    def _prepared(self, columns: GeneColumns) -> GeneColumns:
        return GeneColumns(ranks(columns.x), columns.genes)


def ranks(x: sp.csc_array) -> sp.csc_array:
    """Return the rank of each value within its column, less that of the column's zeros, so that zeros stay zeros.

    A correlation does not see what is subtracted from a whole column, and the matrix stays as sparse as it is.
    """
    x = sp.csc_array(x, copy=True)
    x.eliminate_zeros()
    values = np.empty(len(x.data), dtype=np.float32)
    for start, end in zip(x.indptr[:-1], x.indptr[1:], strict=True):
        n_zero = x.shape[0] - (end - start)
        values[start:end] = rankdata(x.data[start:end]) + (n_zero - 1) / 2  # n_zero + rank - (n_zero + 1) / 2
    return sp.csc_array((values, x.indices, x.indptr), shape=x.shape)
