"""Cells that are too poor to learn from."""

import numpy as np

from scgnn_tools.data.expression import Expression


def poor_cells(
    expression: Expression, names: np.ndarray, *, min_genes: int = 0, max_mito: float | None = None
) -> np.ndarray:
    """Return the rows of cells that express too few genes or are mostly mitochondria, sorted, int64.

    Parameters
    ----------
    expression
        Counts or log-normalised values, read once and by chunks; not at all if nothing is asked for.
    names
        Gene symbols of its columns; mitochondrial genes begin with "MT-", in any case.
    min_genes
        Expressed genes, at least.
    max_mito
        Largest share of a cell's counts in mitochondrial genes; None asks for none. Of log values the share is that of what they stand for.
    """
    if min_genes <= 0 and max_mito is None:
        return np.zeros(0, dtype=np.int64)
    mito = np.array([str(n).upper().startswith("MT-") for n in names], dtype=np.float64)
    counts = expression.kind.kind == "counts"
    out = []
    for start, rows in expression.rows():
        poor = np.diff(rows.indptr) < min_genes
        if max_mito is not None:
            values = rows.astype(np.float64)
            values.data = values.data if counts else np.expm1(values.data)
            total = np.asarray(values.sum(axis=1)).ravel()
            poor |= values @ mito > max_mito * total
        out.append(start + np.flatnonzero(poor))
    return np.concatenate(out) if out else np.zeros(0, dtype=np.int64)
