import pytest
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GraphError, InputTypeError, InputValueError

SOME = genes.prior()
SOME = SOME[SOME["source"].isin(SOME["source"].unique()[::6])]


def test_the_table_and_its_figure(pbmc68k):
    before = pbmc68k.copy()
    table = sgt.tl.noise_study(pbmc68k, SOME, methods=["degree", "Degree"], shares=[0, 0.5, 0.5], n_draws=2)
    assert changed(before, pbmc68k) == set()
    assert list(table.columns) == ["method", "share", "auroc", "auprc", "auroc_per_tf", "chance", "sd_auprc", "n_draws"]
    assert table["n_draws"].tolist() == [1, 2]
    figure = sgt.pl.grn_noise(table)
    left, right = figure.axes
    assert left.lines[0].get_ydata().tolist() == table["auprc"].tolist()
    assert right.lines[0].get_ydata().tolist() == table["auroc_per_tf"].tolist()
    assert [t.get_text() for t in right.get_legend().get_texts()] == ["degree"]
    with pytest.raises(InputTypeError, match="it lacks chance"):
        sgt.pl.grn_noise(table.drop(columns="chance"))
    with pytest.raises(InputValueError, match="no rows"):
        sgt.pl.grn_noise(table[:0])


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"methods": ["pcc"]}, InputValueError, "learns nothing from labels"),
        ({"methods": ["degre"]}, InputValueError, "degree"),
        ({"methods": []}, InputValueError, "at least one value"),
        ({"shares": [0.6]}, InputValueError, "shares"),
        ({"shares": None}, InputTypeError, "shares"),
        ({"n_draws": 0}, InputValueError, "n_draws"),
        ({"split": "other"}, InputValueError, "split"),
        ({"device": "tpu"}, InputValueError, "Device 'tpu' is not available"),
    ],
)
def test_what_cannot_be_studied_is_said_before_any_training(pbmc68k, more, error, says):
    with pytest.raises(error, match=says):
        sgt.tl.noise_study(pbmc68k, **({"prior": SOME, "methods": ["degree"]} | more))


def test_a_prior_of_few_edges_cannot_be_studied(pbmc68k):
    few = SOME[SOME["target"].isin(pbmc68k.var_names)].head(5)
    with pytest.raises(GraphError):
        sgt.tl.noise_study(pbmc68k, few, methods=["degree"])
