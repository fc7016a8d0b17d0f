import numpy as np
import pandas as pd

from scgnn_tools.gene_tasks.programs import cluster, cohesion, find_programs


def test_clusters_of_vectors_are_found():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(4), [40, 30, 20, 3])
    vectors = np.eye(4)[truth] + 0.05 * rng.normal(size=(93, 4))
    found = cluster(vectors.astype(np.float32), 2, 0.05, 5, 0)
    for c in range(3):
        own = found[truth == c]
        assert len(set(own[own >= 0])) >= 1
    assert pd.crosstab(truth, found).loc[:, lambda t: t.columns >= 0].gt(0).sum().eq(1).all(), (
        "a program mixes clusters"
    )
    assert (np.diff(np.bincount(found[found >= 0])) <= 0).all()
    assert (found[truth == 3] == -1).all()


def test_the_resolution_is_halved_until_there_are_two_programs():
    rng = np.random.default_rng(0)
    vectors = (np.eye(4)[np.repeat(np.arange(4), 20)] + 0.05 * rng.normal(size=(80, 4))).astype(np.float32)
    program, resolution = find_programs(vectors)
    assert program.max() >= 1
    assert 40 / resolution in 2 ** np.arange(1, 8)
    assert find_programs(vectors, resolution=2 * resolution)[0].max() < 1
    np.testing.assert_array_equal(find_programs(vectors, resolution=resolution)[0], program)


def test_cohesion_is_the_cosine_within_beyond_that_to_others():
    vectors = np.array([[1.0, 0], [2, 0], [0, 1], [0, 3], [5, 5]])
    np.testing.assert_allclose(cohesion(vectors, np.array([0, 0, 1, 1, -1])), [1, 1])
    mixed = cohesion(vectors, np.array([0, 1, 0, 1, -1]))
    np.testing.assert_allclose(mixed, [-0.5, -0.5])
