"""What a method sees of cells from several batches, and what it has to be able to do."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._random import RNG


@dataclass(frozen=True)
class Batches:
    """Cells of several batches as arrays.

    Attributes
    ----------
    vectors
        What is corrected: principal components, or the embedding that was asked for, float32 (n_cells, d).
    batch
        Code of each cell's batch, int64 (n_cells,).
    expression
        Log-normalised, of the variable genes, CSR float32 (n_cells, n_genes); None for methods that work on vectors.
    genes
        Names of its columns, object (n_genes,).
    totals
        Counts of each cell before it was normalised, float64 (n_cells,); None if the data are not counts.
    labels
        Code of each cell's label, -1 for none, int64 (n_cells,); None for methods that may not see them.

    Examples
    --------
    >>> codes = adata.obs["batch"].cat.codes.to_numpy().astype(int)
    >>> cells = sgt.integration.Batches(adata.obsm["X_pca"], codes)
    >>> cells.n_batches
    2
    """

    vectors: np.ndarray
    batch: np.ndarray
    expression: sp.csr_array | None = None
    genes: np.ndarray | None = None
    totals: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def n_batches(self) -> int:
        """Number of batches."""
        return int(self.batch.max()) + 1

    def take(self, cells: np.ndarray) -> "Batches":
        """Return these cells, in this order; the codes stay."""
        return replace(
            self,
            vectors=self.vectors[cells],
            batch=self.batch[cells],
            expression=None if self.expression is None else sp.csr_array(self.expression[cells]),
            totals=None if self.totals is None else self.totals[cells],
            labels=None if self.labels is None else self.labels[cells],
        )


class IntegrationMethod(Protocol):
    """A way to give cells of several batches one space.

    Examples
    --------
    A method of your own returns a vector for every cell:

    >>> class Nothing:
    ...     history = None
    ...
    ...     def fit(self, cells, *, rng):
    ...         return cells.vectors
    >>> codes = adata.obs["batch"].cat.codes.to_numpy().astype(int)
    >>> Nothing().fit(sgt.integration.Batches(adata.obsm["X_pca"], codes), rng=0).shape
    (206, 20)
    """

    history: pd.DataFrame | None
    """Losses of a training, a row an epoch; None for what is not trained."""

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Learn from the cells and return their vectors, float32 (n_cells, d)."""
        ...

    def transform(self, cells: Batches) -> np.ndarray:
        """Return vectors of other cells in the space of :meth:`fit`, each by itself; for methods that the registry calls inductive.

        A batch that was not fitted has the code -1.
        """
        ...
