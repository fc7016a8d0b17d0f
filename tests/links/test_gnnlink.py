"""GNNLink against its formulas written down densely."""

import numpy as np
import pandas as pd
import pytest
import torch

from scgnn_tools.links.gnnlink import GNNLink
from scgnn_tools.splits import audit_pairs


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def oracle(x, edges, w1, w2):
    """Z of the published code: loops are added twice, degrees are row sums, LeakyReLU after both layers."""
    n = len(x)
    a = 2.0 * np.eye(n)
    a[tuple(edges.T)] += 1
    d = np.diag(a.sum(axis=1) ** -0.5)
    s = d @ a @ d
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return leaky(s @ leaky(s @ x @ w1) @ w2)


@pytest.mark.parametrize("protocol", ["paper", "clean"])
def test_vectors_products_and_loss(network, protocol):
    train, test, _, expression = network
    p = GNNLink(protocol=protocol, max_epochs=1).fit(train, test.head(50), expression=expression)
    x = expression.X[:, expression.var_names.get_indexer(p._genes)].T.astype(float)
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    i, j = (p._genes.get_indexer(train[c]) for c in ("tf", "target"))
    y = train["label"].to_numpy()
    w1, w2 = (w.detach().numpy().astype(float) for w in (p._network.weight1, p._network.weight2))
    z = oracle(x, np.column_stack([i, j])[y == 1], w1, w2)
    np.testing.assert_allclose(p._scored.numpy(), z, atol=1e-5)
    product = z @ z.T
    a, b = (p._genes.get_indexer(test[c]) for c in ("tf", "target"))
    expected = np.maximum(product, 0) if protocol == "paper" else product
    np.testing.assert_allclose(p.score(test), expected[a, b], atol=1e-5)
    mask, label = np.zeros_like(product), np.zeros_like(product)
    mask[i, j], label[i, j] = 1, y
    loss = np.sqrt((((np.maximum(product, 0) - label) ** 2) * mask).mean())
    with torch.no_grad():
        assert float(p._loss(p._network, p._scored, (i, j, y.astype(np.float32)))) == pytest.approx(loss, abs=1e-5)


def test_the_published_score_has_no_direction(network):
    train, test, _, expression = network
    p = GNNLink(protocol="paper", max_epochs=3).fit(train, expression=expression)
    turned = pd.DataFrame({"tf": test["target"], "target": test["tf"]})
    np.testing.assert_allclose(p.score(turned), p.score(test), atol=1e-6)
    audit_pairs(train, test, message_graph=p.message_graph, genes=np.asarray(p._genes))
