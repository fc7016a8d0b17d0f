import numpy as np
import torch

from scgnn_tools._random import generator, seed


def test_the_same_seed_gives_the_same_numbers():
    assert generator(3).integers(1000) == generator(3).integers(1000)
    assert seed(3) == 3


def test_a_generator_moves_on():
    rng = np.random.default_rng(0)
    assert seed(rng) != seed(rng)
    assert generator(rng) is rng


def test_no_global_state_is_touched():
    np_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    seed(None)
    assert (np.random.get_state()[1] == np_before).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)
