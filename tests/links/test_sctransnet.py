import numpy as np
import pandas as pd
import pytest
import torch

from scgnn_tools._errors import InputValueError
from scgnn_tools.links import link_predictor
from scgnn_tools.links.scregnet import ScRegNet
from scgnn_tools.links.sctransnet import ScTransNet, hard_balanced
from scgnn_tools.metrics import grn


@pytest.mark.parametrize("backbone", ["relational", "gcn", "sage", "gat", "TransformerConv", None])
@pytest.mark.parametrize("head", ["mlp", "dot"])
def test_any_backbone_and_head(network, backbone, head):
    train, test, vectors, expression = network
    p = link_predictor(
        "sctransnet",
        backbone=backbone,
        head=head,
        hidden=(16, 8),
        out=(12, 6),
        lr=1e-2,
        max_epochs=120,
        patience=120,
        select="loss",
    )
    p.fit(train, train, embedding=vectors, expression=expression)
    assert grn(train["label"], p.score(train))["auroc"] > 0.6  # it learns; what it has learnt is the benchmark's to say
    assert np.isfinite(p.score(test)).all()
    assert p.represent().shape == (120, 12)  # as a factor and as a target


def test_a_pair_has_a_direction(network):
    train, _, vectors, expression = network
    p = ScTransNet(max_epochs=5).fit(train, embedding=vectors, expression=expression)
    pair = pd.DataFrame({"tf": ["T0", "T1"], "target": ["T1", "T0"]})
    assert abs(np.diff(p.score(pair))[0]) > 1e-4
    same = ScTransNet(max_epochs=5, head="dot", channels="shared").fit(train, embedding=vectors, expression=expression)
    assert abs(np.diff(same.score(pair))[0]) < 1e-5


def test_hard_balanced_takes_one_negative_of_the_same_factor_an_edge(network):
    train = network[0]
    chosen = hard_balanced(train, rng=1)
    positive, negative = chosen[chosen["label"] == 1], chosen[chosen["label"] == 0]
    assert len(positive) == (train["label"] == 1).sum()
    there = train[train["label"] == 0].groupby("tf").size()
    wanted = np.minimum(positive.groupby("tf").size(), there)
    assert (negative.groupby("tf").size() == wanted[wanted > 0]).all()
    assert not chosen.duplicated(["tf", "target"]).any()
    assert not hard_balanced(train, rng=2).equals(chosen)
    assert hard_balanced(train, rng=1).equals(chosen)


def test_hard_balanced_trains_on_those_pairs_and_all_edges(network):
    train, test, vectors, expression = network
    p = ScTransNet(protocol="hard-balanced", max_epochs=40)
    p.fit(train, test.head(100), embedding=vectors, expression=expression)
    every = ScTransNet(max_epochs=1).fit(train, test.head(100), embedding=vectors, expression=expression)
    assert (p.message_graph != every.message_graph).nnz == 0
    assert grn(test["label"], p.score(test))["auroc"] > 0.6


def test_with_a_gcn_and_one_channel_it_is_scregnet(network):
    """The same weights give the same scores: scRegNet is the special case of mean-pooled vectors, GCN and a shared perceptron."""
    train, test, vectors, expression = network
    how = {
        "backbone": "gcn",
        "hidden": (9, 7),
        "out": (8,),
        "head": "concat",
        "features": "expression",
        "max_epochs": 3,
    }
    ours = ScTransNet(channels="shared", **how).fit(train, embedding=vectors, expression=expression)
    theirs = ScRegNet(**how).fit(train, embedding=vectors, expression=expression)
    assert not np.allclose(ours.score(test), theirs.score(test))
    theirs._network.load_state_dict(ours._network.state_dict())
    np.testing.assert_allclose(ours.score(test), theirs.score(test), atol=1e-6)


def test_types_and_directions_reach_the_relational_network(network):
    train, _, vectors, expression = network
    p = ScTransNet(max_epochs=1).fit(train, embedding=vectors, expression=expression)
    graph, genes = p._inputs.graph, p.nodes
    is_tf = torch.as_tensor([g.startswith("T") for g in genes])
    assert torch.equal(graph.types, (~is_tf).long())
    along = graph.relation == 0
    edges = {
        (genes[s], genes[t])
        for s, t in zip(graph.edges.sender[along].numpy(), graph.edges.receiver[along].numpy(), strict=True)
    }
    held = train[np.random.default_rng(0).random(len(train)) >= 0.1]  # what fit carved for training
    assert edges == set(map(tuple, held.loc[held["label"] == 1, ["tf", "target"]].to_numpy()))
    assert (graph.relation == 2).sum() == len(genes)


def test_state_and_restore(network):
    train, test, vectors, expression = network
    p = ScTransNet(max_epochs=3).fit(train, embedding=vectors, expression=expression)
    again = ScTransNet().restore(*p.state())
    np.testing.assert_array_equal(again.score(test), p.score(test))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "real"}, "protocol is 'specific', 'clean', 'hard-balanced' or 'paper'; got 'real'"),
        ({"backbone": "gin"}, "backbone is 'relational', 'gcn'"),
        ({"heads": 3}, "divided among heads=3; 256 cannot be"),
        ({"channels": "two"}, "channels is 'separate' or 'shared'"),
    ],
)
def test_wrong_options(network, options, message):
    train, _, vectors, expression = network
    with pytest.raises(InputValueError, match=message):
        ScTransNet(**options).fit(train, embedding=vectors, expression=expression)


@pytest.mark.parametrize("head", ["mlp", "dot", "product", "concat", "cosine"])
def test_a_grid_is_its_pairs(network, head):
    train, _, vectors, expression = network
    p = ScTransNet(head=head, max_epochs=2).fit(train, embedding=vectors, expression=expression)
    tfs, genes = np.array(["T3", "nobody", "T0"]), np.array(["g1", "g7", "T0", "nobody"])
    pairs = pd.DataFrame({"tf": np.repeat(tfs, 4), "target": np.tile(genes, 3)})
    np.testing.assert_allclose(p.score_grid(tfs, genes).ravel(), p.score(pairs), atol=1e-5)
