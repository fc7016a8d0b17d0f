"""GENELink against the recorded numbers of the official code (see README.md beside this file)."""

import numpy as np
import pytest
import torch

from scgnn_tools.links.genelink import GENELinkNetwork, undirected
from scgnn_tools.nn import Edges
from tests.golden._weights import state
from tests.golden.test_parity import close, golden

NAMES = {
    **{
        f"ConvLayer{layer}_AttentionHead{h}.{part}": f"attention{layer}.heads.{h}.{part}"
        for layer in (1, 2)
        for h in range(3)
        for part in ("weight", "a", "bias")
    },
    **{f"{role}_linear{i}.{p}": f"{role}.linear{i}.{p}" for role in ("tf", "target") for i in (1, 2) for p in ("weight", "bias")},
    "linear.weight": "linear.weight",
    "linear.bias": "linear.bias",
}  # fmt: skip


@pytest.fixture(scope="module")
def record():
    return golden("genelink")


def network(record, kind: str) -> GENELinkNetwork:
    weights = state(record[f"{kind}_names"], record[f"{kind}_shapes"])
    unread = {k for k in weights if k not in NAMES}
    assert all(k.endswith("weight_interact") for k in unread)  # a tensor that the published code makes and never uses
    out = GENELinkNetwork(record["x"].shape[1], score=kind).eval()
    out.load_state_dict({NAMES[k]: torch.from_numpy(v) for k, v in weights.items() if k not in unread})
    return out


@pytest.mark.parametrize("kind", ["dot", "mlp"])
def test_parity(record, kind):
    ours, x = network(record, kind), torch.from_numpy(record["x"])
    graph = undirected((record["edges"][:, 0], record["edges"][:, 1]), len(x))
    edges = Edges(graph)
    assert int(edges.alone.sum()) >= 3
    with torch.no_grad():
        close(ours.encode(edges, x), record["encoded"])
        tf, target = ours.roles(edges, x)
        close(tf, record["channel1"])
        close(target, record["channel2"])
        asked = record["asked"]
        logits = ours.decode(tf[asked[:, 0]], target[asked[:, 1]])
    theirs = record[f"{kind}_logits"]
    # two columns go through a softmax there, whose second is the logistic of their difference
    close(logits, theirs[:, 0] if kind == "dot" else theirs[:, 1] - theirs[:, 0], head=True)


def test_an_isolated_gene_attends_to_all_alike(record):
    x = torch.from_numpy(record["x"])
    none = Edges(undirected((np.array([0]), np.array([1])), len(x)))
    with torch.no_grad():
        h = network(record, "dot").encode(none, x)
    torch.testing.assert_close(h[5], h[6])
    assert not torch.allclose(h[0], h[5])
