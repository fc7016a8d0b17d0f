import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.labels import Cells


def make(n, *, rng, shift=0.0, n_genes=120, n_classes=4):
    """Cells of a few classes, each with its own genes, and vectors that see part of it."""
    labels = np.arange(n) % n_classes
    rate = np.full((n, n_genes), 0.3)
    for c in range(n_classes):
        rate[labels == c, 20 * c : 20 * (c + 1)] = 2.0
    x = np.log1p(rng.poisson(rate).astype(np.float32)) + shift * (rng.random((n, n_genes)) < 0.1)
    basis = np.random.default_rng(7).normal(size=(n_genes, 10)).astype(np.float32)
    totals = np.full(n, 1e4)  # x is log1p of the counts themselves
    rows = sp.csr_array(x.astype(np.float32))
    rows.indices, rows.indptr = (
        rows.indices.astype(np.int64),
        rows.indptr.astype(np.int64),
    )  # as those of a reference are
    return Cells(rows, (x @ basis).astype(np.float32), totals=totals), labels


@pytest.fixture(scope="package")
def problem():
    """(training cells, labels), (validation …), (test …)."""
    rng = np.random.default_rng(0)
    return [make(n, rng=rng) for n in (200, 60, 80)]
