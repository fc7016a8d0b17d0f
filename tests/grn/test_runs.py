import numpy as np
import pandas as pd

from scgnn_tools.grn.runs import FOLDS, Runs, draws, fold_of, joins
from scgnn_tools.links import PREDICTORS
from scgnn_tools.store import RunFolder


def test_every_pair_is_scored_by_a_run_that_has_not_seen_it(inputs):
    tfs = np.array([f"T{k}" for k in range(20)])
    runs = Runs(inputs, "degree", tfs, 0, {}, RunFolder(None, {}), "")
    seen = np.stack(list(runs.finished(FOLDS, unseen=True)))
    whole = np.stack(list(runs.finished(FOLDS, unseen=False)))
    pairs = inputs.pairs
    i, j = pd.Index(tfs).get_indexer(pairs["tf"]), pd.Index(inputs.genes).get_indexer(pairs["target"])
    assert np.isfinite(seen[:, i, j]).any(axis=0).all()
    assert np.isnan(seen[0, i, j]).any()
    there = np.isfinite(seen)
    np.testing.assert_array_equal(seen[there], whole[there])
    for r in range(FOLDS):  # what a run is asked of a known pair, it has not learnt from
        learnt = runs._pairs(r)
        assert (fold_of(learnt) != r).all()


def test_runs_draw_other_negatives_and_keep_the_edges(inputs):
    runs = Runs(inputs, "sgt", inputs.genes[:1], 0, {}, RunFolder(None, {}), "")
    first, second = runs._pairs(1), runs._pairs(1 + FOLDS)  # the same fold is left out
    edges = [set(map(tuple, p.loc[p["label"] == 1, ["tf", "target"]].to_numpy())) for p in (first, second)]
    others = [set(map(tuple, p.loc[p["label"] == 0, ["tf", "target"]].to_numpy())) for p in (first, second)]
    assert edges[0] == edges[1]
    assert others[0] != others[1]


def test_the_fold_of_a_pair_takes_any_name_and_stays_as_it_was():
    odd = "\ud800" if pd.Index(["a"]).dtype == object else "é"  # pandas 3 holds no half of a character
    pairs = pd.DataFrame({"tf": ["SPI1", "IRF8", odd], "target": ["LYZ", "CD74", "JUN"]})
    names = np.array(["SPI1>LYZ", "IRF8>CD74"], dtype=object)
    np.testing.assert_array_equal(fold_of(pairs)[:2], pd.util.hash_array(names) % FOLDS)


def test_what_learns_and_what_the_cells_are_joined_to():
    assert PREDICTORS["sgt"].learns
    assert not PREDICTORS["pcc"].learns
    assert [m for m in ("sgt", "scregnet", "degree", "pcc", "genelink", "cosine") if joins(m, {})] == [
        "sgt",
        "scregnet",
        "degree",
    ]
    assert not joins("scregnet", {"protocol": "paper"})
    assert joins("scregnet", {"protocol": "paper", "features": "embedding"})
    assert (draws("degree", 4), draws("pcc", 4), draws("grnboost2", 4)) == (4, 1, 4)
