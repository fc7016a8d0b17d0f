import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools.data import describe_matrix


def kind(rows):
    return describe_matrix(sp.csr_array(np.array(rows, dtype=np.float32)))


@pytest.mark.parametrize(
    ("rows", "expected", "words"),
    [
        ([[1, 0, 3], [0, 7, 2]], "counts", "whole numbers (max 7)"),
        ([[0, 0, 0]], "counts", "whole numbers"),
        ([[0.7, 0, 2.3], [1.1, 3.2, 0]], "log1p", "it looks log-normalised"),
        ([[0.9, 120.4, 3.0], [33.3, 7, 2]], "counts", "like counts with fractions"),
        ([[-1.2, 0.4], [0.3, 2]], "scaled", "negative values (min -1.2): it looks scaled"),
    ],
)
def test_what_it_is_and_how_it_is_said(rows, expected, words):
    k = kind(rows)
    assert k.kind == expected
    assert words in str(k)


def test_integers_stored_as_floats_are_integers():
    assert kind([[1.0, 2.0]]).integer
    assert not kind([[1.0, 2.5]]).integer
