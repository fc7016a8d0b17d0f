import numpy as np
import pytest

from scgnn_tools import _choices
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: _choices.choice("head", "dots", ("dot", "mlp", None)), "head is 'dot', 'mlp' or None; got 'dots'. Did you mean 'dot'?"),
        (lambda: _choices.choice("genes", 0, ("static", False)), "genes is 'static' or False; got 0."),
        (lambda: _choices.choice("genes", np.zeros(3), ("static", False)), "genes is 'static' or False; got array"),
        (lambda: _choices.integer("n_top", 1.5), "n_top is a positive integer; got 1.5."),
        (lambda: _choices.integer("n_top", True), "n_top is a positive integer; got True."),
        (lambda: _choices.integer("n_top", "3"), "n_top is a positive integer; got '3'."),
        (lambda: _choices.integer("n_top", float("nan")), "got nan"),
        (lambda: _choices.integer("n_top", None), "got None"),
        (lambda: _choices.integer("k", 0, or_none=True), "k is a positive integer or None; got 0."),
        (lambda: _choices.integer("n_folds", 1, least=2, most=10), "n_folds is an integer of at least 2 and at most 10; got 1."),
        (lambda: _choices.number("lr", 0, above=0), "lr is positive; got 0."),
        (lambda: _choices.number("lr", float("inf"), above=0), "got inf"),
        (lambda: _choices.number("lr", 1j), "lr is a number; got 1j."),
        (lambda: _choices.number("x", 1, least=0, below=1), "x is a number at least 0 and below 1; got 1."),
        (lambda: _choices.share("coverage", "high", or_none=True), "coverage is a number above 0 and below 1 or None; got 'high'."),
        (lambda: _choices.share("coverage", float("nan")), "got nan"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused_and_the_message_says_what_does(call, says):
    with pytest.raises(InputValueError) as error:
        call()
    assert says in str(error.value)


def test_flags_of_numpy_are_flags_and_numbers_are_not():
    assert _choices.choice("flag", np.True_, (True, False)) is True
    for number in (1, 3, np.int64(1)):
        with pytest.raises(InputValueError, match="flag is True or False"):
            _choices.choice("flag", number, (True, False))


def test_values_that_fit_come_back_as_plain_numbers():
    assert _choices.choice("head", None, ("dot", None)) is None
    assert _choices.choice("head", np.str_("dot"), ("dot", None)) == "dot"
    for value in (3, np.int64(3), 3.0, np.float32(3)):
        got = _choices.integer("n", value)
        assert (got, type(got)) == (3, int)
    assert type(_choices.number("x", np.float32(0.5))) is float
    assert _choices.integer("n", None, or_none=True) is None


def test_a_missing_column_or_key_is_named_with_those_that_are_there():
    wanted = r"groupby='celltype' is no column of obs; the columns are: cell_type\. Did you mean 'cell_type'\?"
    with pytest.raises(MissingKeyError, match=wanted):
        _choices.column("groupby", "celltype", ["cell_type"])
    with pytest.raises(MissingKeyError, match=r"use_rep='X_pca' is not in obsm; there is: none\. Run sc\.pp\.pca\."):
        _choices.key("use_rep", "X_pca", [None], "obsm", todo="Run sc.pp.pca.")
    with pytest.raises(MissingKeyError, match=r"c29, … \(71 more\)"):
        _choices.column("groupby", None, [f"c{i}" for i in range(101)])
    assert _choices.column("groupby", 7, ["a", 7]) == 7


@pytest.mark.parametrize("value", [3, None, float("nan"), True, b"x", object()])
def test_a_list_and_a_text_are_told_from_anything_else(value):
    with pytest.raises(InputTypeError, match="query is a text or a list of them; got"):
        _choices.sequence("query", value)
    with pytest.raises(InputTypeError, match="control is a text; got"):
        _choices.text("control", value)
    assert _choices.sequence("query", "FOS") == ["FOS"]
    assert _choices.sequence("query", np.array(["FOS"])) == ["FOS"]
    assert _choices.text("control", None, or_none=True) is None
