import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.links.genelink import GENELink
from scgnn_tools.splits import audit_pairs


@pytest.mark.parametrize("score", ["dot", "mlp"])
def test_messages_pass_over_training_edges_only(network, score):
    train, test, _, expression = network
    p = GENELink(max_epochs=1, score=score).fit(train, test.head(100), expression=expression)
    assert p.message_graph.nnz == 2 * train["label"].sum()
    audit_pairs(train, test, message_graph=p.message_graph, genes=np.asarray(p._genes))
    assert np.isfinite(p.score(test)).all()


def test_the_paper_s_rate_falls_with_each_batch_and_its_last_epoch_is_kept(network):
    train, test, _, expression = network
    paper, clean = GENELink(protocol="paper", max_epochs=3), GENELink(max_epochs=3)
    assert (paper._decay, paper._decay_every, paper._patience) == (0.99, "batch", None)
    assert (clean._decay_every, clean._patience) == ("epoch", 6)
    validation = test.head(200)
    p = paper.fit(train, validation, expression=expression)
    assert len(p.history) == 3
    # dropout of the channels is live in the paper's scoring, but seeded: asking twice gives the same
    np.testing.assert_array_equal(p.score(test), p.score(test))
    assert p._network.tf.always
    assert not clean.fit(train, validation, expression=expression)._network.tf.always


def test_a_gene_without_expression_keeps_its_place(network):
    train, test, _, expression = network
    some = expression[:, 5:].copy()
    assert np.isfinite(GENELink(max_epochs=1).fit(train, expression=some).score(test)).all()


def test_at_most_so_many_cells_are_features(network):
    train, _, _, expression = network
    a, b = (GENELink(max_epochs=1, max_cells=20, rng=r).fit(train, expression=expression) for r in (0, 1))
    assert a._x.shape == (120, 20)
    assert not np.array_equal(a._x, b._x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"protocol": "mine"}, "protocol is 'clean' or 'paper'"),
        ({"score": "cosine"}, "score is 'dot' or 'mlp'"),
        ({"lr": 0}, "lr is positive; got 0"),
    ],
)
def test_wrong_options(options, says):
    with pytest.raises(InputValueError, match=says):
        GENELink(**options)


def test_expression_of_other_genes(network):
    train, _, _, expression = network
    other = expression.copy()
    other.var_names = other.var_names + "x"
    with pytest.raises(InputValueError, match="holds none of the 120 genes of the pairs"):
        GENELink().fit(train, expression=other)
