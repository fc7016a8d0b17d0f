import numpy as np
from tests.grn import planted

from scgnn_tools.grn import null
from scgnn_tools.grn.heldout import held_out_cells, rewired


def test_a_rewired_network_keeps_its_degrees_and_little_else():
    rng = np.random.default_rng(0)
    tf, target = np.nonzero(rng.random((20, 60)) < 0.1)
    a, b = rewired(tf, target, rng=1)
    np.testing.assert_array_equal(np.bincount(a), np.bincount(tf))
    np.testing.assert_array_equal(np.bincount(b), np.bincount(target))
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(tf)
    assert (
        len(set(zip(a.tolist(), b.tolist(), strict=True)) & set(zip(tf.tolist(), target.tolist(), strict=True)))
        < len(tf) / 2
    )


def test_the_planted_network_tells_what_rewired_ones_do_not():
    x, tfs, edges = planted.cells()
    train, test = x[:300], x[300:]
    found = held_out_cells(train, test, tfs, np.nonzero(edges))
    assert found.network > 0.1
    assert found.gain > 0.1
    assert found.low <= found.rewired <= found.high < found.network
    assert found.n_targets == edges.any(axis=0).sum()
    noise = held_out_cells(null.permuted(train, rng=0), null.permuted(test, rng=1), tfs, np.nonzero(edges))
    assert abs(noise.gain) < 0.01


def test_a_network_of_factors_alone_is_not_judged():
    x, tfs, _ = planted.cells(50)
    assert held_out_cells(x, x, tfs, (np.array([0, 1]), np.array([1, 2]))).n_targets == 0
