import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools.nn.relational import RelationalAttention, RelationVectors, relational_graph


@pytest.fixture
def graph():
    """Six nodes, two of them factors that know each other, one node alone."""
    directed = np.zeros((6, 6), dtype=np.float32)
    for source, target in ((0, 1), (1, 0), (0, 2), (0, 3), (1, 3), (1, 4)):
        directed[source, target] = 1
    return relational_graph(sp.csr_array(directed), np.array([0, 0, 1, 1, 1, 1]))


def test_messages_go_both_ways_and_to_itself(graph):
    seen = {
        (int(s), int(t)): int(r)
        for s, t, r in zip(graph.edges.sender, graph.edges.receiver, graph.relation, strict=True)
    }
    wanted = {
        (0, 1): 0,
        (1, 0): 0,
        (0, 2): 0,
        (2, 0): 1,
        (0, 3): 0,
        (3, 0): 1,
        (1, 3): 0,
        (3, 1): 1,
        (1, 4): 0,
        (4, 1): 1,
    }
    assert seen == wanted | {(i, i): 2 for i in range(6)}


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("out", [8, 6])
def test_a_layer_is_what_its_equations_say(graph, heads, out):
    """Edge by edge, with the vectors joined as the paper writes them."""
    relations, layer = RelationVectors(5), RelationalAttention(8, out, width=5, heads=heads).eval()
    v = torch.randn(6, 8)
    u, r = relations()
    tilde, d = relations.relations.weight, out // heads
    total, weights = torch.zeros(6, out), torch.zeros(6, heads)
    logits = {}
    for e, (s, t) in enumerate(zip(graph.edges.sender.tolist(), graph.edges.receiver.tolist(), strict=True)):
        us, ut = u[graph.types[s]], u[graph.types[t]]
        r_st = relations.f_r(torch.cat([tilde[graph.relation[e]], us, ut]))
        torch.testing.assert_close(r[graph.kind[e]], r_st)
        q, k = layer.f_q(torch.cat([v[s], us])), layer.f_k(torch.cat([v[t], ut, r_st]))
        m = layer.f_m(torch.cat([v[s], us, r_st]))
        logits[s, t] = [(q[h * d : (h + 1) * d] @ k[h * d : (h + 1) * d] / math.sqrt(d)).exp() for h in range(heads)], m
    for (_, t), (scores, m) in logits.items():
        for h in range(heads):
            total[t, h * d : (h + 1) * d] += scores[h] * m[h * d : (h + 1) * d]
            weights[t, h] += scores[h]
    mean = (total.view(6, heads, d) / weights.unsqueeze(-1)).flatten(1)
    wanted = layer.f_n(mean) + layer.residual(v)
    torch.testing.assert_close(layer(graph, v, u, r), wanted, atol=1e-5, rtol=1e-5)


def test_every_weight_learns(graph):
    relations, layer = RelationVectors(5), RelationalAttention(8, 6, width=5, heads=2)
    layer(graph, torch.randn(6, 8), *relations()).square().sum().backward()
    for name, parameter in [*relations.named_parameters(), *layer.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_node_alone_keeps_its_own_state(graph):
    relations, layer = RelationVectors(5), RelationalAttention(8, 8, width=5)
    v = torch.randn(6, 8)
    u, r = relations()
    other = v.clone()
    other[:5] += 1
    torch.testing.assert_close(layer(graph, other, u, r)[5], layer(graph, v, u, r)[5])
