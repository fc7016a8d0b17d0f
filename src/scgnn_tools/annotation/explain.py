"""What a fitted method goes by: how much likelier a cell's class is with a gene, or a dimension of its vector, than without."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from scgnn_tools._progress import progress
from scgnn_tools.labels import Cells, LabelMethod, WithParts

BLOCK = 4096


def without_genes(method: LabelMethod, cells: Cells, codes: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return how much the log-probability of its class falls when a gene of a cell is set to zero, mean over the cells of the class.

    Only a cell that expresses a gene is asked again: for the others nothing changes. The vector of the cell stays as it is.

    Parameters
    ----------
    method
        Fitted.
    cells, codes
        Cells and the class of each, int (n_cells,).
    genes
        Columns of the expression, int (n_genes,).

    Returns
    -------
    float64 (n_genes, n_classes); NaN for a class without cells.
    """
    before = _log_proba(method, cells)
    some = sp.coo_array(cells.expression[:, genes])
    fall = np.zeros(len(some.data))
    blocks = range(0, len(fall), BLOCK)
    for start in progress(blocks, total=len(blocks), what="explain", unit="block"):
        at = slice(start, start + BLOCK)
        rows, value = some.row[at], some.data[at]
        asked = cells.take(rows)
        gone = sp.csr_array((value, (np.arange(len(rows)), genes[some.col[at]])), shape=asked.expression.shape)
        without = sp.csr_array(asked.expression - gone)
        without.eliminate_zeros()
        after = _log_proba(method, replace(asked, expression=without))
        own = codes[rows]
        fall[at] = before[rows, own] - after[np.arange(len(rows)), own]
    total = np.zeros((len(genes), before.shape[1]))
    np.add.at(total, (some.col, codes[some.row]), fall)
    return _mean(total, codes)


def without_dimensions(method: LabelMethod, cells: Cells, codes: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return the same for dimensions of the vector, set to their usual value (dimension,), float64 (dimension, n_classes)."""
    before = _log_proba(method, cells)
    out = np.zeros((len(usual), before.shape[1]))
    rows = np.arange(len(cells))
    for d in range(len(usual)):
        vectors = cells.embedding.copy()
        vectors[:, d] = usual[d]
        fall = before[rows, codes] - _log_proba(method, replace(cells, embedding=vectors))[rows, codes]
        np.add.at(out[d], codes, fall)
    return _mean(out, codes)


def _mean(total: np.ndarray, codes: np.ndarray) -> np.ndarray:
    n = np.bincount(codes, minlength=total.shape[1]).astype(float)
    n[n == 0] = np.nan
    return total / n


def _log_proba(method: LabelMethod, cells: Cells) -> np.ndarray:
    scores = method.scores(cells)
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def parts(method: WithParts, cells: Cells) -> dict[str, np.ndarray]:
    """Return the class that each part of a fused method gives, int (n_cells,); nothing if it has a graph alone."""
    vectors = method.other_scores(cells)
    return (
        {}
        if vectors is None
        else {"graph": method.graph_scores(cells).argmax(axis=1), "vectors": vectors.argmax(axis=1)}
    )
