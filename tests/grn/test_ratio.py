import numpy as np
import pytest

from scgnn_tools.grn.ratio import fit_out_of_fold, fit_ratio, matched


@pytest.fixture(scope="module")
def prior():
    rng = np.random.default_rng(0)
    popular = rng.pareto(1.5, size=400) + 0.2
    known = rng.random((60, 400)) < np.minimum(0.04 * popular, 0.5)
    return known, known.sum(axis=0)


def test_other_pairs_are_of_the_factor_and_of_like_degree(prior):
    known, degree = prior
    edge, factor, gene = matched(known, degree, per=5)
    i, j = np.nonzero(known)
    assert (factor == i[edge]).all()
    assert not known[factor, gene].any()
    assert (gene != j[edge]).all()
    assert np.bincount(edge).max() <= 5
    assert degree[gene].min() > 0
    without = degree[j] - 1  # what is known of a target beside the edge itself
    assert abs(np.median(degree[gene] - without[edge])) <= 1


def test_evidence_is_worth_what_it_says(prior):
    known, degree = prior
    noise = np.random.default_rng(1).normal(size=known.shape)
    found = fit_ratio(
        {"good": noise + 0.8 * known, "none": -noise.copy()[::-1], "bad": noise[:, ::-1] - known}, known, degree
    )
    assert found.slope[0] == pytest.approx(0.8, abs=0.12)  # of two normals one apart by 0.8
    assert found.slope[1] < 0.06
    assert found.slope[2] == 0  # never falls with the evidence
    assert found.says_nothing("bad")
    assert not found.says_nothing("good")


def test_it_rises_and_is_bounded_and_nothing_is_zero(prior):
    known, degree = prior
    source = {"cells": np.random.default_rng(1).normal(size=known.shape) + 0.8 * known}
    found = fit_ratio(source, known, degree)
    at = np.array([-1e9, -1, 0, 1, 1e9, np.nan])
    log_ratio = found({"cells": at})
    assert (np.diff(log_ratio[:5]) > 0).all()
    assert log_ratio[4] < 4
    assert log_ratio[5] == 0
    assert (found({"cells": at}, only=("prior",)) == 0).all()


def test_noise_and_few_edges_say_nothing(prior):
    known, degree = prior
    draws = [fit_ratio({"cells": np.random.default_rng(s).normal(size=known.shape)}, known, degree) for s in range(20)]
    assert np.mean([d.slope[0] for d in draws]) < 0.03
    few = np.zeros_like(known)
    few[0, :10] = True
    assert fit_ratio({"cells": np.random.default_rng(0).normal(size=known.shape)}, few, few.sum(axis=0)).says_nothing(
        "cells"
    )
    assert fit_ratio({"cells": np.zeros(known.shape)}, known, degree).says_nothing("cells")


def test_a_factor_is_weighed_by_the_edges_of_others(prior):
    known, degree = prior
    source = {"cells": np.random.default_rng(1).normal(size=known.shape) + 0.8 * known}
    found = fit_out_of_fold(source, known, degree)
    first, rest = found.fold == 0, found.fold != 0
    assert np.ptp(np.bincount(found.fold, weights=known.sum(axis=1))) < 0.2 * known.sum()
    other = {"cells": np.where(first[:, None], -5.0, source["cells"])}  # whatever the factors of a fold are like …
    again = fit_out_of_fold(other, known, degree)
    alone = again.parts[0]({"cells": source["cells"][first]})
    np.testing.assert_allclose(alone, found(source)[first], rtol=1e-4, atol=1e-5)  # … their own weights stay
    assert (np.abs(again(source)[rest] - found(source)[rest]) > 1e-3).any()
    assert found.mean().slope[0] == pytest.approx(0.8, abs=0.12)
    assert found.mean().n == known.sum()
    np.testing.assert_array_equal(
        found.take(np.array([3, 1]))({"cells": source["cells"][[3, 1]]}), found(source)[[3, 1]]
    )
