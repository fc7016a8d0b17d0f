import numpy as np
import pandas as pd
import pytest

from scgnn_tools.links._candidates import PER_EDGE, labelled_pairs
from scgnn_tools.links._run import Inputs, _top, evaluate, score_all, verdict


@pytest.fixture(scope="module")
def inputs(network):
    train, test, vectors, expression = network
    pairs = pd.concat([train, test], ignore_index=True)
    return Inputs(pairs, vectors, expression.var_names.to_numpy(dtype=str), expression)


def test_candidates():
    edges = pd.DataFrame({"source": ["A", "A", "B", "C"], "target": ["x", "y", "x", "z"]})
    pairs = labelled_pairs(edges, rng=0)
    key = pd.MultiIndex.from_frame(pairs[["tf", "target"]])
    positive = pd.MultiIndex.from_frame(edges)
    assert not key.duplicated().any()
    assert set(key[pairs["label"] == 1]) == set(positive)
    assert not key[pairs["label"] == 0].isin(positive).any()
    assert (pairs["label"] == 0).sum() <= 2 * PER_EDGE * len(edges)
    assert (pairs["tf"] != pairs["target"]).all()
    pd.testing.assert_frame_equal(pairs, labelled_pairs(edges, rng=0))


def test_every_baseline_stands_beside_the_method(inputs):
    out = evaluate(inputs, "scregnet", split="random_pair", rng=0)
    assert out["status"] == "ok"
    assert list(out["table"].index) == ["scregnet", "degree", "collaborative", "cosine", "pcc"]
    assert out["table"]["n"].nunique() == 1  # all methods on the same pairs
    assert out["verdict"].split()[1] in {"beats", "ties", "loses"}


def test_too_few_edges_are_said_and_do_no_harm(inputs):
    few = Inputs(inputs.pairs[inputs.pairs["tf"].isin(["T0", "T1", "T2"])].head(60), *list(vars(inputs).values())[1:])
    out = evaluate(few, "degree", split="unseen_tf", rng=0)
    assert out["status"].startswith("not evaluated:")
    assert out["table"]["auprc"].isna().all()
    assert "not evaluated" in out["verdict"]


def test_scores_of_all_pairs(inputs):
    known = pd.MultiIndex.from_tuples([("T0", "g99"), ("T1", "g98")])
    tfs = np.array(["T0", "T1", "T2"])
    edges = score_all(inputs, "degree", tfs, known=known, n_top=5, n_runs=2, rng=0, options={})
    assert (edges.groupby("tf").size() >= 5).all()
    assert edges["score"].is_monotonic_decreasing
    assert edges["score"].between(0, 1).all()
    assert (edges["tf"] != edges["target"]).all()
    assert pd.MultiIndex.from_frame(edges[["tf", "target"]]).isin(known).sum() == 2
    assert set(edges["stability"]) <= {0.0, 1.0}  # the same counts each time
    one = score_all(inputs, "degree", tfs, known=known, n_top=5, n_runs=1, rng=0, options={})
    assert one["stability"].isna().all()


def test_blocks_do_not_show(inputs, monkeypatch):
    arguments = {"known": pd.MultiIndex.from_tuples([("T0", "g1")]), "n_top": 4, "n_runs": 1, "rng": 0, "options": {}}
    tfs = np.array([f"T{i}" for i in range(6)])
    whole = score_all(inputs, "cosine", tfs, **arguments)
    monkeypatch.setattr("scgnn_tools.links._run.BLOCK", 250)
    pd.testing.assert_frame_equal(score_all(inputs, "cosine", tfs, **arguments), whole)


def test_top_leaves_out_what_has_no_score():
    keep = _top(np.array([[1.0, np.nan, 3.0, 2.0], [np.nan, np.nan, np.nan, 0.0]]), 2)
    assert keep.tolist() == [[False, False, True, True], [False, False, False, True]]


@pytest.mark.parametrize(("own", "word"), [(0.6, "beats"), (0.505, "ties with"), (0.4, "loses to")])
def test_the_verdict_is_honest(own, word):
    table = pd.DataFrame(
        {"kind": ["method", "baseline"], "auprc": [own, 0.5], "n_positive": 1000, "density": 0.3, "status": "ok"},
        index=["m", "b"],
    )
    assert f"m {word} the best baseline" in verdict(table, "m", "ok")
