"""How the classes of a query differ from each other, beside those of the reference."""

import json

import numpy as np
import pytest

from scgnn_tools.annotation.differences import MOST, WEIGHT, Differences

RNG = np.random.default_rng(0)
MEANS = RNG.normal(size=(4, 60)).astype(np.float32)
LABORATORY = 3 * RNG.normal(size=60)


def of(present=(0, 1, 2, 3)):
    """Differences of a query that has some of the classes, all of which another laboratory moved."""
    n = np.zeros(4, dtype=np.int64)
    n[list(present)] = 30
    return Differences.between(MEANS, (MEANS + LABORATORY) * n[:, None], n, least=10)


@pytest.mark.parametrize("present", [(0, 1, 2, 3), (0, 2), (0, 1, 3)])
def test_a_laboratory_that_moves_all_classes_moves_no_difference(present):
    unlike = of(present).unlike(MEANS[list(present)] + LABORATORY)
    np.testing.assert_allclose(unlike, 0, atol=1e-4)


def test_another_type_differs_like_no_class_and_counts_up_to_a_bound():
    other = RNG.normal(size=(20, 60)) + LABORATORY
    how = of()
    assert how.unlike(other).min() > 0.4
    np.testing.assert_allclose(how(other), WEIGHT * MOST)
    np.testing.assert_allclose(how(MEANS + LABORATORY), 0, atol=1e-3)


def test_few_cells_of_a_class_say_nothing_of_the_middle():
    n = np.array([30, 30, 30, 2])
    sums = (MEANS + LABORATORY) * n[:, None]
    sums[3] += 1e3
    with_few = Differences.between(MEANS, sums, n, least=10)
    np.testing.assert_allclose(with_few.unlike(MEANS[:3] + LABORATORY), 0, atol=1e-4)


def test_it_is_the_same_after_json():
    how = of()
    again = Differences.from_json(json.loads(json.dumps(how.to_json())))
    np.testing.assert_array_equal(again.centre, how.centre)
    np.testing.assert_array_equal(again.classes, how.classes)
    assert again.usual == how.usual
