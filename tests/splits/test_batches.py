import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.splits import split_batches

BATCH, LABELS = np.repeat([0, 1, 2], [50, 30, 20]), np.r_[np.tile([0, 0, 0, 1, 1], 20)]


def test_unseen_cells_are_a_share_of_each_batch():
    part = split_batches(BATCH, LABELS, "unseen_cells", share=0.2, rng=1)
    assert np.bincount(BATCH[part == "query"]).tolist() == [10, 6, 4]
    assert (part == split_batches(BATCH, LABELS, "unseen_cells", share=0.2, rng=1)).all()


def test_an_unseen_batch_is_the_smallest_or_the_one_that_is_named():
    assert set(BATCH[split_batches(BATCH, LABELS, "unseen_batch") == "query"]) == {2}
    assert set(BATCH[split_batches(BATCH, LABELS, "unseen_batch", held=0) == "query"]) == {0}


def test_one_label_leaves_one_batch():
    gone = split_batches(BATCH, LABELS, "label_shift") == "removed"
    assert set(LABELS[gone]) == {1}
    assert set(BATCH[gone]) == {0}
    assert gone.sum() == ((LABELS == 1) & (BATCH == 0)).sum()


def test_bad_input():
    with pytest.raises(InputValueError, match="No label is in two batches"):
        split_batches(BATCH, BATCH, "label_shift")
    with pytest.raises(InputValueError, match="kind is 'unseen_cells'"):
        split_batches(BATCH, LABELS, "random")
