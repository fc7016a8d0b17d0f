import anndata as ad
import numpy as np
import pytest
import torch

from scgnn_tools._errors import InputValueError
from scgnn_tools.links import _graph_training, link_predictor
from scgnn_tools.links.scregnet import ScRegNet
from scgnn_tools.metrics import grn
from scgnn_tools.splits import audit_pairs


def test_messages_pass_over_training_edges_only(network):
    train, test, vectors, _ = network
    p = ScRegNet(max_epochs=2).fit(train, test.head(100), embedding=vectors, genes=vectors.index.to_numpy())
    graph, genes = p.message_graph, p.nodes
    edges = train[train["label"] == 1]
    i, j = (p._inputs.genes.get_indexer(edges[c]) for c in ("tf", "target"))
    assert graph.nnz == 2 * len(edges)
    assert (np.asarray(graph[i, j]).ravel() == 1).all()
    assert (np.asarray(graph[j, i]).ravel() == 1).all()
    audit_pairs(train, test, message_graph=graph, genes=genes)


def test_the_published_head_is_a_sum_and_ours_is_not(network):
    train, _, vectors, _ = network
    four = train.iloc[[0, 0, 0, 0]].assign(tf=["T0", "T0", "T1", "T1"], target=["g0", "g1", "g0", "g1"])
    for head, additive in (("concat", True), ("product", False), ("mlp", False), ("dot", False)):
        s = ScRegNet(head=head, max_epochs=10).fit(train, embedding=vectors).score(four)
        assert np.isclose(s[0] - s[1], s[2] - s[3], atol=1e-4) == additive


def test_vectors_of_other_genes(network):
    train, _, vectors, _ = network
    with pytest.raises(InputValueError, match="No gene of the pairs has a vector"):
        ScRegNet().fit(train, embedding=vectors.set_axis(vectors.index + "x"))


def test_a_gene_without_vector_keeps_its_place(network):
    train, test, vectors, _ = network
    part = vectors.drop(index=["g0", "g1"])
    score = ScRegNet(max_epochs=5).fit(train, embedding=part).score(test)
    assert np.isfinite(score).all()


@pytest.mark.parametrize(
    ("backbone", "features"),
    [
        ("gcn", "embedding"),
        ("gcn", "random"),
        ("sage", "expression"),
        ("gat", "counts"),
        ("GATv2Conv", "embedding"),
        (None, "embedding"),
    ],
)
def test_any_backbone_on_any_features(network, backbone, features):
    train, test, vectors, expression = network
    p = link_predictor(
        "scregnet", backbone=backbone, features=features, hidden=(8, 9, 10), out=(7,), heads=2, max_epochs=100
    )
    p.fit(train, train, embedding=vectors, expression=expression)
    assert grn(train["label"], p.score(train))["auroc"] > 0.6  # it learns; what it has learnt is the benchmark's to say
    assert np.isfinite(p.score(test)).all()
    assert p.represent().shape == (120, 7)
    assert p.history["loss"].iloc[-1] < p.history["loss"].iloc[0]


def test_without_vectors_only_the_graph_is_read(network):
    train, test, _, expression = network
    p = ScRegNet(vectors=False, features="expression", max_epochs=40).fit(train, expression=expression)
    assert grn(test["label"], p.score(test))["auroc"] > 0.6
    with pytest.raises(InputValueError, match="nothing to learn from"):
        ScRegNet(vectors=False, backbone=None)


def test_paper_protocol(network):
    train, test, vectors, expression = network
    p = ScRegNet(protocol="paper", hidden=(8, 8), out=(9, 8), max_epochs=15, lr=5e-3)
    with pytest.raises(InputValueError, match="keeps the epoch that is best on the test pairs: pass validation="):
        p.fit(train, embedding=vectors, expression=expression)
    p.fit(train, test, embedding=vectors, expression=expression)
    scored = p.history["validation"].notna().to_numpy()
    assert np.array_equal(np.flatnonzero(scored), [4, 9, 14])  # every fifth epoch
    draws = p.sample(test, 3)
    assert not np.allclose(draws[0], draws[1])  # dropout is on, as published
    np.testing.assert_array_equal(p.score(test), p.sample(test, 50).mean(axis=0))
    some = test.head(1)
    np.testing.assert_allclose(
        p.score_grid(some["tf"].to_numpy(), some["target"].to_numpy())[0], p.score(some), atol=1e-5
    )
    one = ScRegNet(protocol="paper", hidden=(8,), out=(8,), max_epochs=5).fit(
        train, test, embedding=vectors, expression=expression
    )
    np.testing.assert_array_equal(*one.sample(test, 2))  # one layer has no dropout behind it
    kept = -np.nanmin(one.history["validation"])
    assert grn(test["label"], one.score(test))["auroc"] == pytest.approx(kept, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["Adam", "RMSprop", "SGD"])
def test_batches_and_optimizers(network, optimizer):
    train, test, vectors, _ = network
    lr = 0.3 if optimizer == "SGD" else 2e-3
    p = ScRegNet(batch_size=200, optimizer=optimizer, lr=lr, max_epochs=12).fit(train, embedding=vectors)
    assert grn(test["label"], p.score(test))["auroc"] > 0.6


def test_cells_are_drawn_if_there_are_many(network):
    train, _, vectors, expression = network
    many = ad.concat([expression] * 3, index_unique="-")
    p = ScRegNet(features="expression", max_cells=50, max_epochs=2).fit(train, embedding=vectors, expression=many)
    assert p._inputs.x.shape == (120, 50)
    with pytest.raises(InputValueError, match=r"None of the 120 genes of the pairs is in expression=: var_names"):
        ScRegNet(features="expression").fit(
            train, embedding=vectors, expression=ad.AnnData(np.ones((20, 3), np.float32))
        )


@pytest.mark.parametrize("features", ["embedding", "expression"])
def test_state_and_restore(network, features):
    train, test, vectors, expression = network
    p = ScRegNet(features=features, max_epochs=5).fit(train, embedding=vectors, expression=expression)
    again = ScRegNet(features=features).restore(*p.state())
    np.testing.assert_array_equal(again.score(test), p.score(test))
    assert again.represent().equals(p.represent())


def test_a_killed_training_goes_on(network, tmp_path):
    train, test, vectors, _ = network
    whole = ScRegNet(max_epochs=40, batch_size=500).fit(train, embedding=vectors)
    file = tmp_path / "last.safetensors"
    ScRegNet(max_epochs=20, batch_size=500, checkpoint=file).fit(train, embedding=vectors)
    with pytest.raises(InputValueError, match=r"holds another run, which differs in .*training pairs"):
        ScRegNet(max_epochs=40, batch_size=500, checkpoint=file).fit(train.head(1000), embedding=vectors)
    rest = ScRegNet(max_epochs=40, batch_size=500, checkpoint=file).fit(train, embedding=vectors)
    np.testing.assert_array_equal(rest.score(test), whole.score(test))


def test_ctrl_c_keeps_the_best_weights(network, monkeypatch):
    train, test, vectors, _ = network
    loss, calls = _graph_training.loss, []

    def interrupted(module, inputs, part):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return loss(module, inputs, part)

    monkeypatch.setattr(_graph_training, "loss", interrupted)
    p = ScRegNet(max_epochs=200).fit(train, embedding=vectors)
    assert p.interrupted
    assert len(p.history) == 10  # a loss and a validation an epoch
    assert np.isfinite(p.score(test)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "sum"}, "head is 'product', 'concat', 'mlp', 'dot' or 'cosine'; got 'sum'"),
        (
            {"backbone": "gin"},
            "backbone is 'gcn', 'sage', 'gat', None or a convolution of torch-geometric such as 'GATv2Conv'; got 'gin'",
        ),
        ({"protocol": "real"}, "protocol is 'clean' or 'paper'; got 'real'"),
        ({"features": "genes"}, "features is 'embedding'"),
        ({"hidden": 64}, r"hidden is the width of each layer, such as \(64, 64\); got 64"),
        ({"hidden": (True,)}, r"hidden is the width of each layer, such as \(64, 64\); got \(True,\)"),
        ({"hidden": (2.5,)}, "hidden is the width of each layer"),
        ({"hidden": ("4",)}, "hidden is the width of each layer"),
        ({"hidden": "44"}, "hidden is the width of each layer"),
        ({"out": ()}, r"out is the width of each layer"),
        ({"lr": 0}, "lr is positive; got 0"),
        ({"backbone": "gat", "heads": (2, 2, 2)}, "one for each of the 2 graph layers; got 3"),
    ],
)
def test_wrong_options(network, options, message):
    train, _, vectors, _ = network
    with pytest.raises(InputValueError, match=message):
        ScRegNet(**options).fit(train, embedding=vectors)


def test_nothing_global_is_left_changed(network):
    train, test, vectors, _ = network
    before = torch.random.get_rng_state()
    ScRegNet(max_epochs=2).fit(train, embedding=vectors).score(test)
    assert torch.equal(before, torch.random.get_rng_state())
