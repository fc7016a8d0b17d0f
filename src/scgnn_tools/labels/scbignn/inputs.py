"""What the two networks see of cells: tokens of expressed genes, and a sparse block of features."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means
from scgnn_tools.labels.pca import column_variance

PER_MILLION = 100.0
"""Counts per 10,000, of which the expression is the logarithm, times this are counts per million."""


def per_million(x: sp.csr_array) -> sp.csr_array:
    """Return log1p of counts per million from log1p of counts per 10,000, without explicit zeros."""
    data = np.log1p(PER_MILLION * np.expm1(x.data.astype(np.float64))).astype(np.float32)
    out = sp.csr_array((data, x.indices, x.indptr), shape=x.shape, copy=True)
    out.eliminate_zeros()
    out.sort_indices()
    return out


@dataclass(frozen=True)
class Genes:
    """Which genes the networks see.

    Attributes
    ----------
    columns
        Of the expression, int (n_genes,), sorted: what the cell-level network sees.
    tokens
        Those that the gene-level network sees, int (n_tokens,), sorted.
    value
        Mean and standard deviation of the expressed values of tokens, float32 (2,).
    centre, scale
        Mean of each column, and one over its standard deviation, float32 (n_genes,).
    """

    columns: np.ndarray
    tokens: np.ndarray
    value: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def choose(
        cls,
        cells: Cells,
        labels: np.ndarray,
        n_genes: int,
        n_tokens: int,
        how: Literal["classes", "variance"] = "classes",
    ) -> "Genes":
        """Choose genes among those that are expressed.

        Parameters
        ----------
        cells
            All cells; those with a label first.
        labels
            Their classes, int (n_labelled,).
        n_genes, n_tokens
            At most so many of both kinds.
        how
            "classes": the genes whose means differ most between the classes of the labelled cells; "variance": the paper's, over all cells.
        """
        x = cells.expression
        variance = column_variance(x)
        by_class = how == "classes"
        rank = (class_means(sp.csr_array(x[: len(labels)]), labels).var(axis=0) if by_class
                else column_variance(per_million(x)))  # fmt: skip
        order = np.argsort(-rank, kind="stable")
        order = order[variance[order] > 0] if (variance > 0).any() else order
        columns, tokens = np.sort(order[:n_genes]), np.sort(order[:n_tokens])
        mean, spread = np.asarray(x[:, columns].mean(axis=0)).ravel(), np.sqrt(variance[columns])
        scale = 1 / np.where(spread > 0, spread, 1)
        values = per_million(sp.csr_array(x[:, tokens])).data
        value = (values.mean(), values.std() + 1e-6) if len(values) else (0, 1)
        return cls(columns, tokens, np.array(value, np.float32), mean.astype(np.float32), scale.astype(np.float32))


@dataclass(frozen=True)
class BipartiteInputs:
    """Cells as the networks take them, CSR: ``tokens`` per million (n_cells, n_tokens), ``features`` per 10,000 (n_cells, n_genes)."""

    tokens: sp.csr_array
    features: sp.csr_array

    @classmethod
    def of(cls, cells: Cells, genes: Genes) -> "BipartiteInputs":
        """Take what the networks see from cells."""
        x = sp.csr_array(cells.expression[:, genes.columns])
        return cls(per_million(sp.csr_array(cells.expression[:, genes.tokens])), x)

    def __len__(self) -> int:
        return self.tokens.shape[0]


def fingerprint(inputs: BipartiteInputs) -> np.ndarray:
    """Return two numbers a cell by which it is known again, whoever is beside it, float64 (n_cells, 2)."""
    at = np.arange(inputs.features.shape[1]) + 1.0
    weights = np.sin(np.outer(at, [0.37, 0.73]) * 12.9898) * 43758.5453
    return np.asarray(inputs.features.astype(np.float64) @ (weights - np.floor(weights)))


def known_again(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for each fingerprint its row among the known ones, -1 where there is none, int64 (n_asked,)."""
    a, b = asked[:, 0] + 1j * asked[:, 1], known[:, 0] + 1j * known[:, 1]
    order = np.argsort(b, kind="stable")
    at = order[np.minimum(np.searchsorted(b, a, sorter=order), len(b) - 1)]
    return np.where(b[at] == a, at, -1)
