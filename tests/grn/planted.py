"""Cells in which some factors do set their targets."""

import numpy as np
import scipy.sparse as sp

N_TFS, N_TARGETS = 30, 12


def cells(n=600, n_genes=450, rng=0, strength=1.2):
    """Return cells by genes, the columns of the factors, and the planted edges: every factor sets its own few targets."""
    rng = np.random.default_rng(rng)
    programme = rng.normal(size=(n, N_TFS))
    rate = np.tile(rng.normal(0.3, 0.5, size=n_genes), (n, 1))
    planted = np.zeros((N_TFS, n_genes), dtype=bool)
    for f in range(N_TFS):
        planted[f, N_TFS + f * N_TARGETS : N_TFS + (f + 1) * N_TARGETS] = True
        rate[:, planted[f]] += strength * programme[:, [f]]
        rate[:, f] += strength * programme[:, f]
    depth = rng.lognormal(0, 0.4, size=(n, 1))
    counts = rng.poisson(np.exp(rate) * depth)
    x = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 500)
    return sp.csr_array(x.astype(np.float32)), np.arange(N_TFS), planted
