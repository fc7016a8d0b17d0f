"""Axes have one direction, whichever a library gives: it depends on the machine, and on its threads."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg
from scipy.sparse.linalg import svds

from scgnn_tools._axes import fixed_signs
from scgnn_tools.fm.cgc.small import small_network, start_from_coexpression
from scgnn_tools.fm.cgc_mini.fitting import telling_vectors
from scgnn_tools.fm.scnetformer.walks import walk_vectors

RNG = np.random.default_rng(0)
ROWS = sp.csr_array(RNG.poisson(1.0, size=(12, 30)).astype(np.float32))


def start_of_a_network():
    sizes = {"dim": 8, "heads": 2, "hidden": 8, "n_layers": 1, "n_graph_layers": 0}
    model = small_network(ROWS, None, graph=False, seed=0, device="cpu", **sizes)
    start_from_coexpression(model, ROWS)
    return model.gene_table()


def vectors_of_walks():
    near = sp.random_array((30, 30), density=0.2, rng=np.random.default_rng(1), format="csr")
    return walk_vectors(sp.csr_array(near + near.T), 6)


def vectors_of_an_adapted_map():
    return telling_vectors(ROWS, dimension=5, power=1.0, whitening=0.0)


def test_an_axis_is_turned_and_nothing_else():
    x = RNG.normal(size=(9, 4)).astype(np.float32)
    turned = fixed_signs(x)
    assert turned.dtype == x.dtype
    np.testing.assert_array_equal(np.abs(turned), np.abs(x))
    np.testing.assert_array_equal(turned, fixed_signs(x * np.array([1, -1, -1, 1], dtype=np.float32)))
    assert (turned.max(axis=0) == np.abs(x).max(axis=0)).all()
    assert not fixed_signs(np.zeros((3, 2))).any()


@pytest.mark.parametrize("made", [start_of_a_network, vectors_of_walks, vectors_of_an_adapted_map])
def test_what_a_network_is_given_does_not_depend_on_the_direction_of_axes(monkeypatch, made):
    from scgnn_tools.fm.cgc_mini import fitting

    def turned(matrix, k, **how):
        u, s, vt = svds(matrix, k, **how)
        sign = np.where(np.arange(k) % 2, -1.0, 1.0)  # as another BLAS, or another number of threads, would give them
        return u * sign, s, vt * sign[:, None]

    before = made()
    for module in (scipy.sparse.linalg, fitting):
        monkeypatch.setattr(module, "svds", turned)
    np.testing.assert_array_equal(made(), before)
