import numpy as np
import pandas as pd
import pytest

from scgnn_tools.grn.compare_said import comparison_said


def test_no_factor_is_named_where_random_groups_differ_as_much():
    edges = pd.DataFrame({"found": ["both", "a"], "score_a": [1.0, 2.0], "score_b": [1.0, np.nan]})
    factors = pd.DataFrame({"source": ["F1"], "differs": [True], "difference": [1.0]})
    for n, named in ((0, True), (1, False)):
        control = pd.DataFrame(
            {"edges": 0, "factors": [1, n, n]}, index=["groups", "random groups", "random groups, most"]
        )
        said = comparison_said(edges, factors, control, ("x", "y"))
        assert ("more active in x: F1" in said) == named
        assert ("no difference that chance does not make" in said) != named


@pytest.mark.parametrize(
    ("n_targets", "told"),
    [
        (None, "(Jaccard 0.50)"),
        (3, "(Jaccard 0.50)"),
        (2, "(of the 2 best targets of each factor, Jaccard 0.50)"),
        (1, "(of each factor's best target, Jaccard 0.50)"),
    ],
)
def test_how_many_targets_were_compared_is_told_where_more_could_be_there(n_targets, told):
    edges = pd.DataFrame({"found": ["both", "a"], "score_a": [1.0, 2.0], "score_b": [1.0, np.nan]})
    factors = pd.DataFrame({"source": ["F1"], "n_a": [2], "n_b": [1]})
    said = comparison_said(edges, factors, pd.DataFrame(), ("x", "x"), n_targets=n_targets)
    assert said == f"1 edge is in both, 1 in x alone, 0 in x alone {told}"
