import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.links.scregnet import ScRegNet
from scgnn_tools.splits import audit_pairs


def test_messages_pass_over_training_edges_only(network):
    train, test, vectors, _ = network
    p = ScRegNet(max_epochs=2).fit(train, test.head(100), embedding=vectors, genes=vectors.index.to_numpy())
    graph, genes = p.message_graph, np.asarray(p._genes)
    edges = train[train["label"] == 1]
    i, j = (p._genes.get_indexer(edges[c]) for c in ("tf", "target"))
    assert graph.nnz == 2 * len(edges)
    assert (np.asarray(graph[i, j]).ravel() == 1).all()
    assert (np.asarray(graph[j, i]).ravel() == 1).all()
    audit_pairs(train, test, message_graph=graph, genes=genes)


def test_the_published_head_is_a_sum_and_ours_is_not(network):
    train, _, vectors, _ = network
    four = train.iloc[[0, 0, 0, 0]].assign(tf=["T0", "T0", "T1", "T1"], target=["g0", "g1", "g0", "g1"])
    for head, additive in (("concat", True), ("product", False)):
        s = ScRegNet(head=head, max_epochs=10).fit(train, embedding=vectors).score(four)
        assert np.isclose(s[0] - s[1], s[2] - s[3], atol=1e-4) == additive
    with pytest.raises(InputValueError, match="head is 'product' or 'concat'; got 'dot'"):
        ScRegNet(head="dot")


def test_vectors_of_other_genes(network):
    train, _, vectors, _ = network
    with pytest.raises(InputValueError, match="No gene of the pairs has a vector"):
        ScRegNet().fit(train, embedding=vectors.set_axis(vectors.index + "x"))


def test_a_gene_without_vector_keeps_its_place(network):
    train, test, vectors, _ = network
    part = vectors.drop(index=["g0", "g1"])
    score = ScRegNet(max_epochs=5).fit(train, embedding=part).score(test)
    assert np.isfinite(score).all()
