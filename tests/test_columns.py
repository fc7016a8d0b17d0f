import numpy as np
import pandas as pd
import pytest

from scgnn_tools._columns import column_of, whole_column
from scgnn_tools._errors import InputValueError, MissingKeyError

OBS = pd.DataFrame([[1, 2, 3, 4]], columns=["kind", "n", "n", 7])


@pytest.mark.parametrize(
    ("key", "error", "says"),
    [
        (
            "kin",
            MissingKeyError,
            "groupby='kin' is no column of obs; the columns are: kind, n, n, 7. Did you mean 'kind'?",
        ),
        (None, MissingKeyError, "groupby=None is no column of obs"),
        (["kind"], MissingKeyError, "is no column of obs"),
        ("n", InputValueError, "obs has 2 columns called 'n'.*adata.obs.columns.duplicated"),
    ],
)
def test_a_column_that_is_not_there_or_there_twice(key, error, says):
    with pytest.raises(error, match=says):
        column_of(OBS, key, "groupby")


@pytest.mark.parametrize("key", ["kind", 7])
def test_a_column(key):
    assert isinstance(column_of(OBS, key, "groupby"), pd.Series)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["a", None, "b"], r"obs\['donor'\] holds NaN in 1 of 3 cells; every cell needs a value of donor_key. .*notna"),
        ([1, np.nan, np.nan], "holds NaN in 2 of 3 cells"),
        (pd.Categorical(["a", None, "b"]), "holds NaN in 1 of 3 cells"),
        (["a", " ", None], r"holds NaN or blank text in 2 of 3 cells.*fillna\(''\) != ''"),
    ],
)
def test_a_row_without_a_value_is_of_no_group(values, says):
    frame = pd.DataFrame({"donor": values})
    with pytest.raises(InputValueError, match=says):
        whole_column(frame, "donor", "donor_key")
    asked = np.array([True, False, False])
    assert whole_column(frame, "donor", "donor_key", asked=asked).equals(frame["donor"])


@pytest.mark.parametrize("values", [[1, "1", 2], [1, "1", None], pd.Categorical([1, "1", 2]), [True, "True", "b"]])
def test_two_values_that_are_written_alike(values):
    frame = pd.DataFrame({"kind": pd.Series(values, dtype=None if isinstance(values, pd.Categorical) else object)})
    with pytest.raises(
        InputValueError, match=r"adata\.obs\['kind'\] holds (1|True) and the text '(1|True)', .*astype\('string'\)"
    ):
        column_of(frame, "kind", "groupby")
    frame["kind"] = frame["kind"].astype("string")
    assert column_of(frame, "kind", "groupby").nunique() == 2 - pd.isna(values[2]).real


@pytest.mark.parametrize(
    "values", [[1, "2", None], [np.nan, "nan", "a"], [1, 1, 2], [["A", "B"], "A+B", None], pd.Categorical([1, 2, None])]
)
def test_values_that_are_told_apart(values):
    frame = pd.DataFrame({"kind": pd.Series(values, dtype=None if isinstance(values, pd.Categorical) else object)})
    assert column_of(frame, "kind", "groupby") is not None
