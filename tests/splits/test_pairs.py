import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import GraphError, InputValueError, LeakageError
from scgnn_tools.links import link_predictor
from scgnn_tools.metrics import grn
from scgnn_tools.splits import SPLITS, audit_pairs, audit_scaling, split_pairs


@pytest.fixture(scope="module")
def pairs():
    """Pairs whose positives follow the degree of factor and target, as in the benchmarks."""
    rng = np.random.default_rng(0)
    rate = np.outer(rng.beta(1, 3, 40), rng.beta(1, 2, 200) + 0.2).clip(0, 1)
    i, t = np.indices(rate.shape).reshape(2, -1)
    label = (rng.random(len(i)) < rate.ravel()).astype(int)
    return pd.DataFrame({"tf": [f"T{k}" for k in i], "target": [f"g{k}" for k in t], "label": label})


@pytest.mark.parametrize("name", SPLITS)
def test_parts_do_not_meet_and_repeat(pairs, name):
    part = split_pairs(name, pairs, rng=1)
    assert np.array_equal(part, split_pairs(name, pairs, rng=1))
    train, validation, test = (pairs[part == p] for p in range(3))
    assert len(test) > 0
    assert name == "hard_balanced" or len(train) > len(test)
    assert len(validation) > 0
    audit_pairs(train, test)
    if name.startswith("unseen_tf"):
        assert not set(train["tf"]) & set(test["tf"])
        assert not set(validation["tf"]) & set(test["tf"])
    if name == "unseen_target":
        assert not set(train["target"]) & set(test["target"])
    if name == "random_pair":
        shares = np.bincount(part) / len(part)
        np.testing.assert_allclose(shares, [0.67, 0.10, 0.23], atol=0.02)
    if "matched" in name:
        per_tf = test.groupby("tf")["label"].mean()
        assert np.allclose(per_tf, 0.5)


def test_counting_solves_random_pairs_and_nothing_at_fixed_degree(pairs):
    for name, low, high in (("random_pair", 0.65, 1.0), ("degree_matched", 0.45, 0.55)):
        part = split_pairs(name, pairs, rng=0)
        degree = link_predictor("degree").fit(pairs[part == 0])
        test = pairs[part == 2]
        assert low < grn(test["label"], degree.score(test))["auroc"] < high


@pytest.mark.slow
@pytest.mark.parametrize("network", ["hESC_500", "hHEP_500", "mESC_500", "mHSC-E_500"])
def test_degree_matched_takes_the_degree_away_on_real_networks(test_data, network):
    real = pd.read_parquet(test_data / f"grn/scregnet_split/{network}/pairs.parquet")
    real = real.astype({"tf": str, "target": str, "label": int})[["tf", "target", "label"]]
    part = split_pairs("degree_matched", real, rng=0)
    degree = link_predictor("degree").fit(real[part == 0])
    test = real[part == 2]
    assert 0.45 < grn(test["label"], degree.score(test))["auroc"] < 0.55


def test_hard_balanced_is_balanced_in_training_and_as_dense_as_the_network_in_the_test(pairs):
    part = split_pairs("hard_balanced", pairs, rng=0)
    train, validation, test, dropped = (pairs[part == p] for p in (0, 1, 2, -1))
    for balanced in (train, validation):
        per_tf = balanced.groupby("tf")["label"].agg(["sum", "size"])
        full = per_tf["sum"] * 2 == per_tf["size"]  # but for factors that have fewer negative pairs than that
        assert full.mean() > 0.9
    assert test["label"].mean() == pytest.approx(pairs["label"].mean(), abs=0.005)
    assert (dropped["label"] == 0).all()
    positive = pairs[pairs["label"] == 1]
    n = positive.groupby("tf").size()
    in_train = part[pairs["label"] == 1] != 2
    kept = pd.Series(in_train, index=positive["tf"]).groupby(level=0).sum().reindex(n.index)
    several = n > 2
    np.testing.assert_array_equal(kept[several], n[several] * 2 // 3)
    assert set(kept[n == 2]) <= {1}


def test_the_audit_of_a_scaling(pairs):
    from scgnn_tools.links.collaborative import _Features

    part = split_pairs("random_pair", pairs, rng=0)
    train, test = pairs[part == 0], pairs[part == 2]
    x, new = (_Features(train).of(p) for p in (train, test))
    audit_scaling(x.mean(axis=0), x.std(axis=0), x)
    both = np.concatenate([x, new])
    with pytest.raises(LeakageError, match="the training rows have"):
        audit_scaling(both.mean(axis=0), both.std(axis=0), x)
    flat = np.ones((5, 1))
    audit_scaling(np.array([1.0]), np.array([1.0]), flat)  # a constant feature is divided by one


def test_a_split_that_would_leave_a_part_empty(pairs):
    with pytest.raises(GraphError, match="at least 3 transcription factors with pairs; there are 2"):
        split_pairs("unseen_tf", pairs[pairs["tf"].isin(["T0", "T1"])])
    with pytest.raises(GraphError, match="leaves the training set with 0 positive"):
        split_pairs("random_pair", pairs.assign(label=0))
    with pytest.raises(InputValueError, match="no split 'by_moon'; the splits are unseen_tf_matched"):
        split_pairs("by_moon", pairs)


def test_audit():
    import scipy.sparse as sp

    train = pd.DataFrame({"tf": ["A", "B"], "target": ["B", "C"], "label": [1, 0]})
    for test, says in (
        ([("A", "B", 0)], "1 of 1 test pairs are training pairs too, for example A → B"),
        ([("B", "A", 1)], "are training edges the other way round"),
    ):
        with pytest.raises(LeakageError, match=says):
            audit_pairs(train, pd.DataFrame(test, columns=["tf", "target", "label"]))
    # a negative pair reversed is no leak
    audit_pairs(train, pd.DataFrame([("C", "B", 1), ("B", "A", 0)], columns=["tf", "target", "label"]))
    test = pd.DataFrame([("C", "A", 1)], columns=["tf", "target", "label"])
    genes = np.array(["A", "B", "C"])
    audit_pairs(train, test, message_graph=sp.csr_array(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])), genes=genes)
    for i, j in ((2, 0), (0, 2)):
        graph = np.zeros((3, 3))
        graph[i, j] = 1
        with pytest.raises(LeakageError, match="edges of the message graph"):
            audit_pairs(train, test, message_graph=sp.csr_array(graph), genes=genes)
