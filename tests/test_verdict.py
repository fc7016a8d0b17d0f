import numpy as np
import pytest

from scgnn_tools._verdict import verdict_word


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (0.1, 0.3, "beats"),
        (-0.3, -0.1, "loses to"),
        (-0.1, 0.1, "ties with"),
        (0.0, 0.1, "ties with"),
        (-np.inf, np.inf, "ties with"),
        (np.nan, np.nan, "ties with"),
    ],
)
def test_the_interval_decides(low, high, says):
    assert verdict_word(low, high) == says


def test_what_is_not_decided_has_the_words_of_who_asks():
    assert verdict_word(-1, 1, undecided="is not told apart from") == "is not told apart from"
