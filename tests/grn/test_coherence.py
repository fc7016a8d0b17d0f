import numpy as np
from tests.grn import planted

from scgnn_tools.grn.coherence import coherence


def test_a_gene_goes_with_the_other_targets_of_its_factor():
    x, _, edges = planted.cells()
    genes = np.arange(x.shape[1])
    known = edges.copy()
    held = np.zeros_like(edges)
    for f in range(len(edges)):
        held[f, np.flatnonzero(edges[f])[:3]] = True
    known &= ~held
    found = coherence(x, known, genes)
    assert found[held].mean() > found[~edges].mean() + 3 * found[~edges].std()


def test_the_label_of_a_pair_does_not_matter_to_it():
    x, _, edges = planted.cells(120)
    genes = np.arange(x.shape[1])
    other = edges.copy()
    other[4, 100] = ~other[4, 100]
    # the mean over factors, which is taken off, moves a little
    np.testing.assert_allclose(coherence(x, edges, genes)[4, 100], coherence(x, other, genes)[4, 100], atol=2e-3)


def test_a_factor_without_targets_says_nothing(monkeypatch):
    x, _, edges = planted.cells(60)
    edges[0] = False
    found = coherence(x, edges, np.arange(x.shape[1]))
    assert (found[0] == 0).all()
    monkeypatch.setattr("scgnn_tools.grn.coherence.BLOCK", 11)
    np.testing.assert_allclose(coherence(x, edges, np.arange(x.shape[1])), found, atol=1e-5)
