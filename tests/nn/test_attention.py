import inspect
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from scgnn_tools._errors import InputValueError
from scgnn_tools.nn import Segments, attention, attention_weights, performer
from scgnn_tools.nn.attention import received
from scgnn_tools.nn.transformer import Encoder

OFFSETS = np.array([0, 5, 5, 9, 13, 20])


@pytest.fixture
def qkv():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(20, 3, 8, generator=generator) for _ in range(3)]


def one_by_one(q, k, v):
    parts = []
    for a, b in pairwise(OFFSETS):
        w = torch.softmax(torch.einsum("nhd,mhd->hnm", q[a:b], k[a:b]) / 8**0.5, dim=-1)
        parts.append(torch.einsum("hnm,mhd->nhd", w, v[a:b]))
    return torch.cat(parts)


@pytest.mark.parametrize("backend", ["sdpa", "padded", "eager", None])
def test_cells_attend_to_themselves_alone(qkv, backend):
    torch.testing.assert_close(attention(*qkv, Segments(OFFSETS), backend=backend), one_by_one(*qkv))


def test_flash_where_it_cannot_run_says_what_is_missing(qkv):
    with pytest.raises(InputValueError, match="flash-attn"):
        attention(*qkv, Segments(OFFSETS), backend="flash")
    with pytest.raises(InputValueError, match="one of auto, sdpa, flash, eager"):
        attention(*qkv, Segments(OFFSETS), backend="fast")


@pytest.mark.parametrize("source", ["flash_attn", "torch"])
def test_a_variable_length_kernel_is_handed_the_packed_cells(qkv, monkeypatch, source):
    """The kernels need CUDA: what they are handed is what the signatures of both say."""
    module, seen = sys.modules["scgnn_tools.nn.attention"], {}

    def kernel(q, k, v, cu_q, cu_k, max_q, max_k, **options):
        seen.update(cu=cu_q.tolist(), longest=(max_q, max_k), options=options)
        return one_by_one(q, k, v)

    monkeypatch.setattr(module, "_flash_attn", lambda: kernel if source == "flash_attn" else None)
    monkeypatch.setattr(module, "_torch_varlen", lambda device: kernel)
    torch.testing.assert_close(module._flash(*qkv, Segments(OFFSETS), 0.0), one_by_one(*qkv))
    assert seen == {"cu": OFFSETS.tolist(), "longest": (7, 7), "options": {}}
    if source == "flash_attn":
        module._flash(*qkv, Segments(OFFSETS), 0.5)
        assert seen["options"] == {"dropout_p": 0.5}
    else:  # PyTorch's has none, and wants heads of a multiple of 8
        assert module._flash_kernel(qkv[0], 0.5) is None
        assert module._flash_kernel(qkv[0][..., :6], 0.0) is None


def test_pytorchs_kernel_takes_what_it_is_handed():
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    names = list(inspect.signature(varlen.varlen_attn).parameters)
    assert names[:7] == ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="variable-length kernels need CUDA")
def test_flash_is_attention_on_a_gpu():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(20, 3, 8, generator=generator).to("cuda", torch.float16) for _ in range(3))
    got = attention(q, k, v, Segments(OFFSETS, "cuda"), backend="flash")
    torch.testing.assert_close(
        got.float().cpu(), one_by_one(*(x.float().cpu() for x in (q, k, v))), atol=5e-3, rtol=1e-2
    )


def test_attention_received_sums_to_one_in_each_cell(qkv, monkeypatch):
    q, k, _ = qkv
    share = received(q, k, Segments(OFFSETS))
    for a, b in ((0, 5), (5, 9), (9, 13), (13, 20)):
        torch.testing.assert_close(share[a:b], attention_weights(q[a:b], k[a:b]).mean(dim=(0, 1)))
        assert float(share[a:b].sum()) == pytest.approx(1)
    monkeypatch.setattr(sys.modules["scgnn_tools.nn.attention"], "BLOCK", 2)  # the function has the module's name
    torch.testing.assert_close(received(q, k, Segments(OFFSETS)), share)


def test_performer_features_approach_softmax_and_do_not_see_the_batch(qkv):
    q, k, v = (0.5 * x for x in qkv)
    projection = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(1))
    full = Segments(np.unique(OFFSETS))  # a cell without genes does not come this far
    got = performer.linear_attention(q, k, v, full, projection)
    assert (got - one_by_one(q, k, v)).abs().max() < 0.02
    alone = performer.linear_attention(q[:5], k[:5], v[:5], Segments(OFFSETS[:2]), projection)
    torch.testing.assert_close(got[:5], alone, rtol=0, atol=1e-6)
    weights = performer.weights(q[:5], k[:5], projection)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 5))
    torch.testing.assert_close(
        performer.received(q, k, full, projection)[:5], weights.mean(dim=(0, 1)), rtol=1e-4, atol=1e-5
    )


def test_segments_pool_what_they_should():
    s, x = Segments(np.array([0, 3, 4, 8])), torch.arange(8.0).unsqueeze(-1)
    assert s.first(x).flatten().tolist() == [0, 3, 4]
    assert s.first(x, -1).flatten().tolist() == [2, 3, 7]
    assert s.mean(x).flatten().tolist() == [1, 3, 5.5]
    assert s.mean(x, skip=(1, 1)).flatten().tolist() == [1, 0, 5.5]
    assert s.max(x, skip=(0, 1)).flatten().tolist() == [1, 0, 6]
    assert s.cell.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    assert s.rank.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]
    torch.testing.assert_close(s.unpad(s.pad(x)), x)


def test_the_watch_sees_the_input_of_every_block_and_what_is_returned():
    net, seen = Encoder(3, 8, 2, 16).eval(), {}
    x = torch.randn(8, 8)
    out = net(x, Segments(np.array([0, 3, 8])), layer=2, watch=lambda i, h: seen.__setitem__(i, h.clone()))
    assert sorted(seen) == [0, 1, 2]
    torch.testing.assert_close(seen[0], x)
    torch.testing.assert_close(seen[2], out)
