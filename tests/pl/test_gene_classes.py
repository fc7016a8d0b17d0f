import matplotlib as mpl
import numpy as np
import pytest
from sklearn.metrics import auc as area
from tests.tl.test_classify_genes import classes, planted

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError

__all__ = ["planted"]


def test_a_curve_and_an_area_a_row(planted):
    planted.varm["$other$"] = np.random.default_rng(1).normal(size=(100, 4))
    table = sgt.tl.classify_genes(planted, classes(planted), use_rep=["x", "$other$"], n_trees=8)
    assert list(table.index[:3]) == ["x", "$other$", "random"]
    figure = sgt.pl.gene_classes(table)
    left, right = figure.axes
    assert len(left.lines) == len(table) + 1  # and chance
    assert left.lines[-1].get_linewidth() > 2  # of the first, on top
    curve = left.lines[-1].get_ydata()
    assert area(left.lines[-1].get_xdata(), curve) == pytest.approx(table["auc"].iloc[0], abs=0.03)
    assert [t.get_text() for t in right.get_yticklabels()] == ["x", r"\$other\$", *table.index[2:]]
    mpl.pyplot.close(figure)
    with pytest.raises(InputTypeError, match=r"it lacks auc"):
        sgt.pl.gene_classes(table.drop(columns="auc"))
    table.attrs = {}
    with pytest.raises(InputTypeError, match="evaluation lost its curves"):
        sgt.pl.gene_classes(table)
