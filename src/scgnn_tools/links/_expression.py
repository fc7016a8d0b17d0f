"""The expression of a data set as the predictors read it: one column a gene, found by its name."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text
from scgnn_tools._random import RNG, generator
from scgnn_tools.data import open_expression
from scgnn_tools.data.order import by_content
from scgnn_tools.links._protocol import needs

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS = 10
"""Over fewer cells a dependence between two genes is an accident."""


@dataclass(frozen=True)
class GeneColumns:
    """Log-normalised expression; of genes with one name the first counts.

    Attributes
    ----------
    x
        CSC float32 (n_cells, n_genes).
    genes
        Their names, each once.
    """

    x: sp.csc_array
    genes: pd.Index

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.x.shape[0]

    def at(self, names: "np.ndarray | pd.Series | pd.Index") -> np.ndarray:
        """Return the column of each gene, int64; -1 where there is none."""
        return self.genes.get_indexer(names)

    def dense(self, columns: np.ndarray) -> np.ndarray:
        """Return some columns, float32 (n_cells, len(columns)), a gene after the other in memory."""
        return self.x[:, columns].toarray(order="F")

    def standardised(self, names: pd.Index) -> np.ndarray:
        """Return each gene at mean 0 and variance 1 over the cells, float32 (len(names), n_cells).

        Zeros for a gene that is constant or not there.
        """
        out = np.zeros((len(names), self.n_cells), dtype=np.float32)
        columns = self.at(names)
        known = np.flatnonzero(columns >= 0)
        values = self.dense(columns[known]).T
        values -= values.mean(axis=1, keepdims=True)
        spread = values.std(axis=1, keepdims=True)
        out[known] = np.divide(values, spread, out=np.zeros_like(values), where=spread > 1e-6)
        return out

    def constant(self) -> np.ndarray:
        """Say which genes have one value in all cells, bool (n_genes,)."""
        low, high = (m.toarray().ravel() for m in (self.x.min(axis=0), self.x.max(axis=0)))
        return high - low < 1e-6


def read_expression(
    expression: "AnnData | None",
    method: str,
    *,
    min_cells: int = MIN_CELLS,
    max_cells: int | None = None,
    rng: RNG = 0,
) -> GeneColumns:
    """Read the expression that a method was given.

    Parameters
    ----------
    expression
        What the method was given.
    method
        Its name, for the message.
    min_cells
        Fewer cells are an error.
    max_cells
        So many are drawn if there are more; None takes all.
    rng
        Seed of the draw.

    Raises
    ------
    InputValueError
        If there is none, or there are too few cells.
    """
    needs(expression, "expression", method)
    opened = open_expression(expression)  # type: ignore[arg-type]
    if opened.n_obs < min_cells:
        msg = f"{method} needs at least {min_cells} cells; expression= has {opened.n_obs}."
        raise InputValueError(msg)
    genes = pd.Index(as_text(opened.var.index))
    x = drawn(opened.log_normalized(), max_cells, rng)
    first = ~genes.duplicated()
    x = sp.csc_array(x)
    return GeneColumns(x if first.all() else x[:, np.flatnonzero(first)], genes[first])


def drawn(x: sp.csr_array, max_cells: int | None, rng: RNG) -> sp.csr_array:
    """Return the cells, or ``max_cells`` of them, drawn from an order by content: the object's own does not decide who is drawn."""
    if max_cells is None or x.shape[0] <= max_cells:
        return x
    return x[by_content(x)[np.sort(generator(rng).choice(x.shape[0], size=max_cells, replace=False))]]


def grid(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the different columns that pairs ask for on each side, and where in that grid each pair lies."""
    a, at_a = np.unique(left, return_inverse=True)
    b, at_b = np.unique(right, return_inverse=True)
    return a, b, at_a, at_b
