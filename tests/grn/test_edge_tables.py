import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.grn.collect import _given_factors
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


@pytest.mark.parametrize("odd", [3, ["A"], {}, 1.5, np.ones(2)])
def test_factors_are_names(odd):
    with pytest.raises(InputTypeError, match=r"tfs is a list of names of genes.*it holds"):
        _given_factors(["SPI1", odd], lambda names: names)


def test_factors_that_are_missing_are_left_out():
    assert _given_factors(["SPI1", None, np.nan, pd.NA], lambda names: names) == {"SPI1"}
