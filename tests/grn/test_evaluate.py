import numpy as np
import pandas as pd
import pytest

from scgnn_tools.grn.candidates import PER_EDGE, labelled_pairs
from scgnn_tools.grn.evaluate import evaluate, short, verdict
from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.metrics import grn


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
    word = out["verdict"].split()[1]
    assert word in {"beats", "ties", "loses"}
    table = out["table"]
    assert (table["auprc_low"] <= table["auprc_high"]).all()
    assert table.loc["scregnet", ["difference", "difference_low", "difference_high"]].isna().all()
    best = table.drop(index="scregnet")["auprc"].idxmax()
    low, high = table.loc[best, ["difference_low", "difference_high"]]
    assert word == ("beats" if low > 0 else "loses" if high < 0 else "ties")
    assert table.loc[best, "difference"] == pytest.approx(table.loc["scregnet", "auprc"] - table.loc[best, "auprc"])
    told = f"(difference {short(table.loc[best, 'difference'])}, 95 % {short(low)} to {short(high)})"
    assert told in out["verdict"]


def test_too_few_edges_are_said_and_do_no_harm(inputs):
    few = LinkInputs(
        inputs.pairs[inputs.pairs["tf"].isin(["T0", "T1", "T2"])].head(60), *list(vars(inputs).values())[1:]
    )
    out = evaluate(few, "degree", split="unseen_tf", rng=0)
    assert out["status"].startswith("not evaluated:")
    assert out["table"]["auprc"].isna().all()
    assert "not evaluated" in out["verdict"]


@pytest.mark.parametrize(("signal", "word"), [(2.0, "beats"), (1.0, "ties with"), (0.0, "loses to")])
def test_the_verdict_is_honest(signal, word):
    """A difference is one beyond its interval over factors."""
    rng = np.random.default_rng(0)
    tf, label = np.repeat(np.arange(40), 50), (rng.random(2000) < 0.3).astype(int)
    scores = {"m": signal * label + rng.normal(size=2000), "b": label + rng.normal(size=2000)}
    auprc = [grn(label, scores[n])["auprc"] for n in "mb"]
    table = pd.DataFrame(
        {"kind": ["method", "baseline"], "auprc": auprc, "density": 0.3, "status": "ok"}, index=["m", "b"]
    )
    assert f"m {word} the best baseline" in verdict(table, "m", "ok", label, scores, tf)
    alone = verdict(table, "m", "ok", label, scores, np.zeros(2000, dtype=int))
    assert alone.startswith("m is not told apart from the best baseline")  # one factor has no interval
    assert "too few transcription factors for an interval" in alone
