import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.grn.edge_tables import candidates, edge_scores

GENES = pd.Index(["A", "B", "C"])


@pytest.mark.parametrize("twice", ["tf", "target", "score"])
def test_a_column_that_stands_there_twice(twice):
    table = pd.DataFrame([["A", "B", 1.0, "A"]], columns=["tf", "target", "score", twice])
    with pytest.raises(InputValueError, match=f"the column {twice} more than once"):
        edge_scores(table)


@pytest.mark.parametrize("label", ["1", 2, None, np.nan, [], {}])
def test_labels_are_0_and_1(label):
    truth = pd.DataFrame({"tf": ["A", "A"], "target": ["B", "C"], "label": pd.Series([1, label], dtype=object)})
    with pytest.raises(InputValueError, match="Labels are 0 and 1; got"):
        candidates(truth, GENES, GENES)


@pytest.mark.parametrize("dtype", [object, "int8", float, bool])
def test_labels_of_any_kind_of_number(dtype):
    truth = pd.DataFrame({"tf": ["A", "A"], "target": ["B", "C"], "label": pd.Series([1, 0], dtype=dtype)})
    assert candidates(truth, GENES, GENES)[0]["label"].tolist() == [1, 0]
