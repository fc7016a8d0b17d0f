import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.grn.response import Regulons, response

N_GENES, TARGETS = 200, np.arange(20, 40)


@pytest.fixture(scope="module")
def cells():
    """Control cells, and cells in which the genes 20 to 39 are lower; gene 0 is the factor."""
    rng = np.random.default_rng(0)
    rate = np.tile(rng.lognormal(0, 1, N_GENES), (300, 1))
    rate[150:, TARGETS] *= 0.5
    rate[150:, 0] = 0.01
    return sp.csr_array(np.log1p(rng.poisson(rate)).astype(np.float32))


def regulons(*targets):
    """Return a network whose first factor has these targets, and others have others."""
    rng = np.random.default_rng(1)
    others = [rng.choice(np.arange(1, N_GENES), 20, replace=False) for _ in range(9)]
    every = [np.concatenate(targets), *others]
    return Regulons(np.repeat(np.arange(10), [len(t) for t in every]), np.concatenate(every))


def asked(cells, networks, **more):
    own = np.r_[0, np.full(9, -1)]
    return response(cells, np.arange(150), {0: np.arange(150, 300)}, own, networks, n_shuffles=30, **more)


def test_targets_that_move_are_told_from_others(cells):
    found = asked(cells, {"true": regulons(TARGETS), "wrong": regulons(np.arange(60, 80))}).set_index("network")
    assert found.loc["true", "auroc"] > 0.9
    assert found.loc["true", "p"] < 0.05
    assert found.loc["true", "e_distance"] > 3 * found.loc["true", "e_others"]
    assert 0.3 < found.loc["wrong", "auroc"] < 0.7
    assert found.loc["wrong", "p"] > 0.05
    assert found.loc["wrong", "e_distance"] < 0.1 * found.loc["true", "e_distance"]
    assert found["rewired"].between(0.4, 0.65).all()
    assert found["n_targets"].eq(20).all()


def test_the_factor_itself_is_no_target_and_few_targets_say_nothing(cells):
    with_itself = asked(cells, {"n": regulons(TARGETS, [0])})
    np.testing.assert_allclose(with_itself["auroc"], asked(cells, {"n": regulons(TARGETS)})["auroc"])
    assert with_itself["n_targets"].eq(20).all()
    assert asked(cells, {"n": regulons(TARGETS[:4])}).empty


def test_cells_without_a_change_give_chance(cells):
    same = response(
        cells,
        np.arange(0, 150, 2),
        {0: np.arange(1, 150, 2)},
        np.r_[0, np.full(9, -1)],
        {"n": regulons(TARGETS)},
        n_shuffles=30,
    )
    assert 0.25 < same["auroc"].item() < 0.75
    assert same["p"].item() > 0.05


def test_a_network_of_one_factor_cannot_be_rewired(cells):
    alone = asked(cells, {"n": Regulons(np.zeros(20, dtype=np.int64), TARGETS)})
    assert alone["auroc"].item() > 0.9
    assert alone[["rewired", "p"]].isna().all().all()
