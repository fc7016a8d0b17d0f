import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from tests.grn import planted

from scgnn_tools.grn.cell_side import aligned, cell_side
from scgnn_tools.grn.joined import without_signal
from scgnn_tools.grn.null import permuted
from scgnn_tools.grn.reliability import spearman
from scgnn_tools.grn.score import Group


def make(x, edges, names, groups=None, known_share=0.7):
    """Return the side of cells that know a part of the planted edges."""
    tfs = names[: planted.N_TFS]
    i, j = np.nonzero(edges)
    some = np.random.default_rng(0).random(len(i)) < known_share
    known = pd.DataFrame({"tf": tfs[i[some]], "target": names[j[some]]})
    # every gene is also a target of some factors that the cells do not hold, so that degrees match
    rest = pd.DataFrame({"tf": np.repeat(["other1", "other2"], len(names)), "target": np.tile(names, 2)})
    groups = groups or [Group("", None, np.ones(len(names), dtype=bool))]
    expression = ad.AnnData(x, var=pd.DataFrame(index=names))
    side = cell_side(expression, names, tfs, pd.concat([known, rest]), groups, rng=0)
    return None if side is None else side.by_group(rng=0)


@pytest.fixture(scope="module")
def world():
    x, _, edges = planted.cells(500)
    names = np.array([f"T{k:02d}" if k < planted.N_TFS else f"g{k:03d}" for k in range(x.shape[1])], dtype=object)
    return x, edges, names


@pytest.fixture(scope="module")
def side(world):
    return make(*world)


def test_a_planted_network_is_found(side, world):
    _, edges, _ = world
    new = edges & ~side.known
    ratio = side.evidence.log_ratio()
    assert ratio[new].mean() > 1
    assert ratio[~edges].mean() < 0
    assert not side.evidence.says_nothing
    assert side.reliability().loc["all cells", "halves"] > 0.08


def test_permuted_cells_give_another_score_and_say_nothing(side, world):
    x, edges, names = world
    measured, there = side.evidence.measured, np.isfinite(side.evidence.measured.z)
    every = make(permuted(x, n_bins=1, rng=3), edges, names).evidence
    alike = without_signal(side.evidence, side.known, side.degree, rng=3)
    for noise in (every, alike):
        assert abs(spearman(measured.r[there], noise.measured.r[there])) < 0.05
        assert abs(spearman(measured.score[there], noise.measured.score[there])) < 0.05
        assert abs(noise.measured.reliability.halves) < 0.05
        assert np.abs(noise.log_ratio()).mean() < 0.2 < 1 < np.abs(side.evidence.log_ratio()).mean()


def test_neither_the_order_of_cells_nor_that_of_genes_matters(side, world):
    x, _, names = world
    rng = np.random.default_rng(1)
    cells, genes = rng.permutation(x.shape[0]), rng.permutation(x.shape[1])
    tfs, known = names[: planted.N_TFS], side.known
    i, j = np.nonzero(known)
    prior = pd.DataFrame({"tf": tfs[i], "target": names[j]})
    rest = pd.DataFrame({"tf": np.repeat(["other1", "other2"], len(names)), "target": np.tile(names, 2)})
    shuffled = ad.AnnData(x[cells][:, genes], var=pd.DataFrame(index=names[genes]))
    every = [Group("", None, np.ones(len(names), dtype=bool))]
    again = cell_side(shuffled, names, tfs, pd.concat([prior, rest]), every, rng=0)
    np.testing.assert_allclose(again.evidence.measured.z, side.evidence.measured.z, atol=1e-3)
    np.testing.assert_allclose(again.evidence.log_ratio(), side.evidence.log_ratio(), atol=1e-3)


def test_controls_put_the_joined_score_beside_its_parts(side):
    prior = np.random.default_rng(0).uniform(0.1, 0.3, size=side.known.shape)
    found = side.controls(prior, n_top=12, rng=0)
    table = found["recovery"]["auroc"]
    assert table["joined"] > 0.7
    assert table["cells"] > 0.7
    assert abs(table["prior"] - 0.5) < 0.1
    assert abs(table["permuted cells"] - 0.5) < 0.1
    held = found["held_out"]
    assert held.loc["joined", "gain"] > held.loc["prior", "gain"] + 0.02


def test_groups_have_scores_of_their_own(world):
    x, edges, names = world
    x = x.tolil()
    x[:150, planted.N_TFS : planted.N_TFS + 12] = 6.0  # the targets of the first factor, and itself
    x[:150, 0] = 6.0
    every = np.ones(len(names), dtype=bool)
    groups = [Group("high", np.arange(150), every), Group("low", np.arange(150, 500), every)]
    side = make(x.tocsr(), edges, names, groups)
    high, low = side.added(join=True)
    mine = edges[0]
    assert high.columns["contrast"][0, mine].min() > 1 > -1 > low.columns["contrast"][0, mine].max()
    assert (high.log_ratio[0, mine] > low.log_ratio[0, mine] + 1).all()
    table = side.regulons(names[: planted.N_TFS])
    best = table[table["group"] == "high"].sort_values("specificity", ascending=False)
    assert best["tf"].iloc[0] == "T00"
    assert (best["n_targets"] <= 100).all()
    assert np.isnan(side.evidence.measured.score[0, 0])  # no factor is in its own regulon
    assert set(side.reliability().index) == {"all cells", "high", "low"}
    told = side.added(join=False)[0]
    assert told.log_ratio is None
    assert set(told.columns) == set(high.columns)


def test_groups_of_some_factors_are_measured_with_all_of_them(world):
    x, edges, names = world
    every = np.ones(len(names), dtype=bool)
    groups = [Group("first", np.arange(200), every), Group("rest", np.arange(200, 500), every)]
    side, rows = make(x, edges, names, groups), np.array([1, 4, 5])
    some = side.take(rows).by_group(side.tfs, rng=0)
    for here, there in zip(some.of_group, side.of_group, strict=True):
        np.testing.assert_array_equal(here.own.z, there.own.z[rows])
        np.testing.assert_array_equal(here.own.score, there.own.score[rows])
        np.testing.assert_array_equal(here.contrast, there.take(rows).contrast)
        assert here.pooled_z is some.evidence.measured.z  # of many groups a copy each is larger than all else


def test_factors_that_the_prior_lacks_are_told_by_the_cells_alone(world):
    x, edges, names = world
    edges = edges.copy()
    side = make(x, np.where(np.arange(planted.N_TFS)[:, None] == 3, False, edges), names)
    table = side.unknown(names[: planted.N_TFS], names, np.array([3]), n_top=12)
    assert set(table["tf"]) == {"T03"}
    assert table["target"].isin(names[edges[3]]).mean() > 0.7
    some = side.take(np.array([0, 5]))
    assert some.known.shape[0] == len(some.evidence.log_ratio()) == 2


def test_what_all_cells_say_is_of_the_genes_that_a_network_can_hold(world):
    x, edges, names = world
    held = np.arange(len(names)) % 4 > 0
    groups = [Group("first", np.arange(200), held), Group("rest", np.arange(200, 500), held)]
    several, one = (make(x, edges, names, g).evidence.measured.z for g in (groups, [Group("", None, held)]))
    np.testing.assert_array_equal(several, one)
    assert np.isnan(several[:, ~held]).all()


def test_too_few_cells_have_no_side(world):
    x, edges, names = world
    assert make(x[:12], edges, names) is None
    assert cell_side(None, names, names[:3], pd.DataFrame({"tf": [], "target": []}), [], rng=0) is None


def test_cells_are_aligned_to_genes_by_name():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names repeat, which is the point
        cells = ad.AnnData(
            np.array([[1.0, 2, 3], [4, 5, 6]], dtype=np.float32), var=pd.DataFrame(index=["b", "a", "b"])
        )
    found = aligned(cells, np.array(["a", "b", "c"], dtype=object)).toarray()
    assert found.tolist() == [[2, 1, 0], [5, 4, 0]]
