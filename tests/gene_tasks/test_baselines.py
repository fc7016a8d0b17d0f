import numpy as np
from tests.tl.test_classify_genes import planted

from scgnn_tools.gene_tasks.baselines import cell_baselines, cell_tables

__all__ = ["planted"]


def test_ranks_are_of_the_genes_of_a_cell(planted):
    tables = cell_tables(planted, n_cells=1000)
    counts, ranks = tables["counts"], tables["ranks"]
    assert counts.shape == ranks.shape == (100, 60)
    assert (ranks.max(axis=0) == 1).all()
    np.testing.assert_array_equal(ranks == 0, counts == 0)
    for cell in range(5):
        order = np.argsort(counts[:, cell])
        assert (np.diff(ranks[order, cell]) >= 0).all()


def test_neither_the_order_of_cells_nor_that_of_genes_decides_a_baseline(planted):
    rng = np.random.default_rng(1)
    genes = rng.permutation(planted.n_vars)
    one, other = (cell_baselines(a) for a in (planted, planted[rng.permutation(planted.n_obs)][:, genes].copy()))
    for name, vectors in one.items():
        np.testing.assert_array_equal(vectors[genes], other[name])


def test_the_cells_of_a_baseline_are_drawn_by_what_they_hold(planted):
    moved = planted[np.random.default_rng(1).permutation(planted.n_obs)].copy()
    for one, other in zip(*(cell_tables(a, n_cells=20).values() for a in (planted, moved)), strict=True):
        np.testing.assert_array_equal(one, other)
