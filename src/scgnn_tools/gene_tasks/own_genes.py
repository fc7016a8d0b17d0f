"""The genes of an object out of a matrix that has more, such as ``raw``."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools.data import Expression


@dataclass(frozen=True)
class OwnGenes:
    """The rows of a matrix over some of its genes; cells are normalised over all of them.

    Attributes
    ----------
    expression
        The matrix.
    columns
        Its columns that are asked for, int64 (n_genes,).
    """

    expression: Expression
    columns: np.ndarray

    @property
    def name(self) -> str:
        """Where the matrix is."""
        return self.expression.name

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.expression.n_obs

    def lognorm_rows(self) -> Iterator[tuple[int, sp.csr_array]]:
        """Yield (first row, CSR float32 of some rows), log-normalised."""
        for start, block in self.expression.lognorm_rows():
            yield start, sp.csr_array(block[:, self.columns])

    @cached_property
    def peak_and_mean(self) -> tuple[np.ndarray, np.ndarray]:
        """The highest and the mean log-normalised value of each gene, in one pass over the cells."""
        peak, total = np.zeros(len(self.columns)), np.zeros(len(self.columns))
        for _, block in self.lognorm_rows():
            np.maximum.at(peak, block.indices, block.data)
            total += np.asarray(block.sum(axis=0)).ravel()
        return peak, total / self.n_obs


def own_genes(expression: Expression, names: pd.Index) -> OwnGenes:
    """Return the matrix over the genes of the object, ``names``, in their order."""
    columns = np.arange(len(names))
    if expression.name == "raw":
        theirs = pd.Index(expression.var.index.astype(str))
        first = pd.Series(np.arange(len(theirs)), index=theirs)[~theirs.duplicated()]
        there = first.reindex(names.astype(str))
        if there.isna().any():
            lost = printable(there.index[there.isna()][0])
            msg = f"raw lacks {int(there.isna().sum()):,} genes of the object ({lost}, …). Pass layer= for a matrix over its own genes."
            raise InputValueError(msg)
        columns = there.to_numpy(dtype=np.int64)
    return OwnGenes(expression, columns)
