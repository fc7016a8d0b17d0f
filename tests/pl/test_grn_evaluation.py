import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools.metrics import curves


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    pairs = pd.DataFrame([(f"T{i}", f"g{j}") for i in range(8) for j in range(40)], columns=["tf", "target"])
    pairs["label"] = (rng.random(len(pairs)) < 0.3).astype(int)
    tables = {
        n: pairs.assign(score=pairs["label"] + s * rng.normal(size=len(pairs))) for n, s in (("a", 0.5), ("b", 2))
    }
    return sgt.tl.evaluate_grn(tables, pairs, bootstrap=30)


def test_curves_chance_and_every_factor_are_drawn(evaluation):
    figure = sgt.pl.grn_evaluation(evaluation)
    recall_axis, roc, within = figure.axes
    for ax, column in ((recall_axis, "auprc"), (roc, "auroc")):
        texts = [t.get_text() for t in ax.get_legend().get_texts()]
        assert texts == [f"{n}  {evaluation.table.loc[n, column]:.3f}" for n in ("a", "b", "degree", "collaborative")]
    line = {line.get_label().split()[0]: line for line in roc.lines}["a"]
    assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(evaluation.table.loc["a", "auroc"])
    chance = [line for line in recall_axis.lines if len(set(line.get_ydata())) == 1]
    assert chance[0].get_ydata()[0] == pytest.approx(evaluation.pairs["label"].mean())
    assert [len(c.get_offsets()) for c in within.collections] == [8, 8, 8, 8]


def test_rows_are_chosen(evaluation):
    figure = sgt.pl.grn_evaluation(evaluation, rows=["degree", "a"])
    assert len(figure.axes[1].get_legend().get_texts()) == 2
    with pytest.raises(InputValueError, match="no row 'c'; its rows are: a, b, degree, collaborative"):
        sgt.pl.grn_evaluation(evaluation, rows=["c"])


def test_the_evaluation_of_an_object(pbmc68k):
    sgt.tl.infer_grn(pbmc68k, method="degree", n_runs=1, controls=False)
    table = pbmc68k.uns["sgt_grn"]["evaluation"]["table"]
    figure = sgt.pl.grn_evaluation(pbmc68k)
    named = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert named == table.index[table["auprc"].notna()].tolist()
    assert figure.axes[0].patches[0].get_width() == pytest.approx(table["auprc"].dropna().iloc[0])
    ends = figure.axes[0].collections[-1].get_segments()[0][:, 0]  # the interval of the first bar
    assert ends.tolist() == pytest.approx(table[["auprc_low", "auprc_high"]].dropna().iloc[0].tolist())
    assert len(sgt.pl.grn_evaluation(pbmc68k, rows=["degree"]).axes[0].patches) == 1
    sgt.tl.grn_from_edges(pbmc68k, {"SPI1": ["LYZ"]}, key_added="own")
    with pytest.raises(MissingKeyError, match="was not evaluated"):
        sgt.pl.grn_evaluation(pbmc68k, "own")


def test_curves_by_hand():
    recall, precision, fall_out = curves(np.array([1, 0, 1, 0]), np.array([3.0, 2, 2, np.nan]))
    np.testing.assert_allclose(recall, [0, 0.5, 1])
    np.testing.assert_allclose(precision, [1, 1, 2 / 3])
    np.testing.assert_allclose(fall_out, [0, 0, 1])
