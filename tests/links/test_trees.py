import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.links import link_predictor

OPTIONS = {"genie3": {"n_estimators": 6}, "grnboost2": {"max_trees": 60}}


@pytest.fixture(scope="module")
def driven():
    """Targets that one factor each drives, and others that nothing does."""
    rng = np.random.default_rng(0)
    factors = rng.gamma(2, size=(250, 6))
    targets = factors[:, [0, 1, 2]] + 0.3 * rng.random((250, 3))
    x = np.concatenate([factors, targets, rng.gamma(2, size=(250, 2)), np.ones((250, 1))], axis=1) / 3
    names = [f"F{i}" for i in range(6)] + ["a", "b", "c", "n1", "n2", "flat"]
    return ad.AnnData(x.astype(np.float32), var=pd.DataFrame(index=names))


def every(x):
    return pd.DataFrame([(f"F{i}", t) for i in range(6) for t in x.var_names], columns=["tf", "target"])


@pytest.mark.parametrize("name", OPTIONS)
def test_the_factor_that_drives_a_target_counts_most(driven, name):
    pairs = every(driven)
    score = link_predictor(name, **OPTIONS[name]).fit(pairs, expression=driven).score(pairs)
    table = pairs.assign(score=score).pivot_table(index="tf", columns="target", values="score")
    assert [table[t].idxmax() for t in ("a", "b", "c")] == ["F0", "F1", "F2"]
    assert (table["flat"] == 0).all()  # a constant target tells nothing
    assert all(table.loc[f, f] == 0 for f in table.index)  # no factor of itself
    assert table["a"].max() > 2 * table["n1"].max()  # importances of different targets compare


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_order_selection_and_processes_do_not_show(driven, name):
    pairs = every(driven)
    make = lambda n_jobs: link_predictor(name, n_jobs=n_jobs, rng=1, **OPTIONS[name]).fit(pairs, expression=driven)  # noqa: E731
    whole = make(1).score(pairs)
    np.testing.assert_array_equal(make(2).score(pairs), whole)
    one = make(1)
    some = pairs.sample(frac=0.2, random_state=0)
    np.testing.assert_array_equal(one.score(some), whole[some.index])
    assert set(one._rows) == {driven.var_names.get_loc(t) for t in some["target"].unique()} - {11}  # no more is fitted
    rng = np.random.default_rng(0)
    moved = driven[rng.permutation(driven.n_obs)][:, rng.permutation(driven.n_vars)].copy()
    other = link_predictor(name, rng=1, **OPTIONS[name]).fit(pairs, expression=moved)
    np.testing.assert_array_equal(other.score(pairs), whole)


def test_boosting_stops_when_the_cells_left_out_gain_nothing(driven):
    p = link_predictor("grnboost2").fit(every(driven), expression=driven)
    p.score(pd.DataFrame({"tf": ["F0", "F0"], "target": ["a", "n1"]}))
    trees = {
        t: p._rows[driven.var_names.get_loc(t)].sum() for t in ("a", "n1")
    }  # importances sum to the number of trees
    assert 25 <= trees["n1"] < trees["a"] < 5000


def test_which_genes_are_factors(driven):
    named = driven.copy()
    named.var_names = ["GATA1", "Spi1", *driven.var_names[2:]]
    p = link_predictor("genie3", n_estimators=2).fit(pd.DataFrame({"tf": ["F2"], "target": ["a"]}), expression=named)
    assert list(p._columns.genes[p._factors]) == ["F2", "GATA1", "Spi1"]  # of the lists, and of the pairs
    p = link_predictor("genie3", n_estimators=2, tfs=["F3", "F4"]).fit(expression=named)
    score = p.score(pd.DataFrame({"tf": ["F3", "F2", "F3"], "target": ["a", "a", "nowhere"]}))
    np.testing.assert_array_equal(np.isnan(score), [False, True, True])
    with pytest.raises(InputValueError, match=r"genie3 knows no factor among the 12 genes of expression= \(F0, …\)"):
        link_predictor("genie3").fit(expression=driven)


@pytest.mark.parametrize(
    ("options", "says"), [({"n_jobs": 0}, "n_jobs is a positive number"), ({"trees": "xgb"}, "trees is 'rf' or 'et'")]
)
def test_wrong_options(options, says):
    with pytest.raises(InputValueError, match=says):
        link_predictor("genie3", **options)


@pytest.mark.parametrize("name", ["mi", "genie3", "grnboost2", "genelink", "gnnlink", "gne", "cnnc", "deepdrim"])
def test_fewer_than_ten_cells(network, name):
    train, _, _, expression = network
    with pytest.raises(InputValueError, match=f"{name} needs at least 10 cells; expression= has 9"):
        link_predictor(name).fit(train, expression=expression[:9].copy())
