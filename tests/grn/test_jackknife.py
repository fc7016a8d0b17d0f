import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.grn.jackknife import Parts, correlation_difference, mean_difference, parts_of, random_parts


def cells(rng, n, r):
    """Pairs of genes that correlate by r."""
    a = rng.normal(size=(n, 30))
    return np.concatenate([a, r * a + np.sqrt(1 - r**2) * rng.normal(size=(n, 30))], axis=1)


def test_a_difference_is_found_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    x = sp.csr_array(np.concatenate([cells(rng, 300, 0.6), cells(rng, 200, 0.0)]))
    parts = random_parts(np.arange(300), np.arange(300, 500), 20, rng)
    i, j = np.arange(30), np.arange(30, 60)
    found = correlation_difference(x, i, j, parts)
    real = np.arctanh(0.6)
    assert ((found.low < real) & (real < found.high)).mean() >= 0.85
    assert (found.p < 0.001).all()
    np.testing.assert_allclose(
        found.a, [np.corrcoef(x[:300].toarray()[:, [a, b]].T)[0, 1] for a, b in zip(i, j, strict=True)], atol=0.05
    )


def test_no_difference_is_called_one_no_more_often_than_by_chance():
    rng = np.random.default_rng(1)
    x = sp.csr_array(cells(rng, 400, 0.3))
    parts = random_parts(np.arange(200), np.arange(200, 400), 20, rng)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(30), np.arange(30, 60)))
    assert (correlation_difference(x, i, j, parts).p < 0.05).mean() < 0.09
    assert (mean_difference(x.toarray(), parts).p < 0.05).mean() < 0.2


def test_donors_that_are_in_both_groups_are_compared_with_themselves():
    rng = np.random.default_rng(2)
    donor = np.repeat(np.arange(6), 40)
    a, b = np.flatnonzero(np.arange(240) % 2 == 0), np.flatnonzero(np.arange(240) % 2)
    level = rng.normal(0, 5, 6)[donor][:, None]  # donors differ much more than the groups
    values = level + 0.1 * rng.normal(size=(240, 1)) + 0.5 * (np.arange(240) % 2 == 0)[:, None]
    parts, left = parts_of(a, b, donor, 10)
    assert (len(parts.a), left) == (6, [])
    paired = mean_difference(values, parts)
    assert paired.difference[0] == pytest.approx(0.5, abs=0.1)
    assert paired.p[0] < 0.01
    assert mean_difference(values, Parts([*parts.a, *[a[:0]] * 6], [*[a[:0]] * 6, *parts.b])).p[0] > 0.5


def test_small_replicates_are_left_out_and_groups_can_be_dealt_anew():
    donor = np.array(["x"] * 20 + ["y"] * 20 + ["z"])
    parts, left = parts_of(np.arange(0, 41, 2), np.arange(1, 41, 2), donor, 10)
    assert left == ["z"]
    dealt = parts.exchanged(np.random.default_rng(0))
    assert sum(set(p) != set(q) for p, q in zip(parts.a, dealt.a, strict=True)) == 1
    apart = random_parts(np.arange(20), np.arange(20, 50), 5, np.random.default_rng(0)).exchanged(
        np.random.default_rng(1)
    )
    assert (sum(len(p) > 0 for p in apart.a), sum(len(p) > 0 for p in apart.b)) == (5, 5)
    assert sorted(np.concatenate([*apart.a, *apart.b])) == list(range(50))


def test_parts_of_cells_at_random_leave_the_correlation_as_it_is():
    rng = np.random.default_rng(3)
    values = cells(rng, 90, 0.4)
    i, j = np.arange(30), np.arange(30, 60)
    real = [np.corrcoef(values[:50, [a, b]].T)[0, 1] for a, b in zip(i, j, strict=True)]
    for n_parts in (3, 16):
        found = correlation_difference(
            sp.csr_array(values), i, j, random_parts(np.arange(50), np.arange(50, 90), n_parts, rng)
        )
        np.testing.assert_allclose(found.a, real, atol=1e-12)


def test_cells_without_a_donor_are_in_no_part():
    donor = np.array(["x"] * 20 + ["y"] * 20 + [None] * 20, dtype=object)
    parts, left = parts_of(np.arange(0, 60, 2), np.arange(1, 60, 2), donor, 10)
    assert (len(parts.a), left) == (2, [])
    assert max(rows.max() for rows in [*parts.a, *parts.b]) < 40
