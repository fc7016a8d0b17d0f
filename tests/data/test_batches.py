import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scgnn_tools.data import CHUNK, length_batches


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 300), min_size=0, max_size=80),
    st.integers(1, 1000),
    st.one_of(st.none(), st.integers(1, 10)),
)
def test_every_cell_once_within_the_budget(lengths, max_tokens, max_cells):
    lengths = np.array(lengths, dtype=np.int64)
    batches = length_batches(lengths, max_tokens=max_tokens, max_cells=max_cells)
    together = np.concatenate(batches) if batches else np.array([])
    assert sorted(together) == list(range(len(lengths)))
    for b in batches:
        assert len(b) == 1 or lengths[b].max() * len(b) <= max_tokens or lengths[b].max() == 0
        assert max_cells is None or len(b) <= max_cells


def test_it_is_deterministic_and_keeps_equal_cells_together():
    lengths = np.array([5, 3, 5, 3])
    first = length_batches(lengths, max_tokens=10)
    assert [b.tolist() for b in first] == [b.tolist() for b in length_batches(lengths, max_tokens=10)]
    assert [sorted(b.tolist()) for b in first] == [[0, 2], [1, 3]]


def cost(lengths, padded, *, width=768):
    """Floating-point work of a transformer layer, padded or not: linear in the tokens and quadratic in the length."""
    return (24 * width**2 * padded + 4 * width * padded**2).sum()


def test_hardly_anything_is_padded_where_file_order_pads_threefold():
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.lognormal(np.log(1200), 0.62, size=8 * CHUNK), 4096).astype(np.int64)
    ideal, sorted_cost, file_order = cost(lengths, lengths), 0.0, 0.0
    for start in range(0, len(lengths), CHUNK):
        chunk = lengths[start : start + CHUNK]
        for b in length_batches(chunk, max_tokens=2**16):
            sorted_cost += cost(chunk[b], np.full(len(b), chunk[b].max()))
        for i in range(0, len(chunk), 64):
            part = chunk[i : i + 64]
            file_order += cost(part, np.full(len(part), part.max()))
    assert sorted_cost / ideal < 1.015
    assert file_order / ideal > 3
