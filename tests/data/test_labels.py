import numpy as np
import pandas as pd
import pytest

from scgnn_tools.data.labels import clean_labels


@pytest.mark.parametrize(
    ("labels", "clean"),
    [
        (["B", " T ", "T\n"], ["B", "T", "T"]),
        (["B", None, np.nan, "", "  ", "unknown", "Unknown", "NA", "unassigned", "todo"], ["B", *[""] * 9]),
        (["B", pd.NA, "<NA>", "null"], ["B", "", "", ""]),
        ([b"B", "T\xe9".encode(), b"unknown"], ["B", "T\xe9", ""]),
        ([1, 2, 3], ["1", "2", "3"]),
        ([1.0, np.nan, 2.0], ["1", "", "2"]),
        ([1.5, 2.0], ["1.5", "2"]),
        ([True, False], ["True", "False"]),
        (pd.Categorical(["B", None], categories=["B", "T"]), ["B", ""]),
    ],
)
def test_labels_as_users_have_them(labels, clean):
    assert clean_labels(pd.Series(labels), unlabeled_category="todo").tolist() == clean
