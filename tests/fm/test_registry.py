import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError


def test_list_has_a_row_a_model_with_its_card():
    table = sgt.fm.list()
    assert sgt.fm.best_bundled() in table.index
    for column in ("licence", "organism", "input", "dimension", "n_genes", "limits", "weights", "sha256"):
        assert table[column].notna().all()


@pytest.mark.parametrize("name", ["scgpt2", "../../x", "a\nb", ""])
def test_an_unknown_model_names_those_that_exist(name):
    with pytest.raises(InputValueError, match="the models are cgc-mini") as error:
        sgt.fm.load(name)
    assert "\n" not in str(error.value)
