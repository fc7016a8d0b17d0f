import numpy as np
import pytest

from scgnn_tools.gene_tasks.readers import readers
from scgnn_tools.gene_tasks.scoring import best_baseline, compare

Y = np.arange(60) % 2


def test_rows_are_scored_on_the_same_folds_and_paired():
    seen = []

    def oracle(train, test):
        seen.append(test)
        return np.stack([1 - Y[test], Y[test]], axis=1).astype(float)

    def blind(train, test):
        seen.append(test)
        return np.full((len(test), 2), 0.5)

    table = compare(Y, {"oracle": [oracle], "blind": [blind, blind]}, n_folds=3)
    for one, other, again in zip(seen[:3], seen[3:6], seen[6:], strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, again)
    assert sorted(np.concatenate(seen[:3])) == list(range(60))
    assert table["auc"].tolist() == [1.0, 0.5]
    assert table["difference"].tolist() == [0.0, 0.5]
    assert table["standard_error"].tolist() == [0.0, 0.0]
    assert table.loc["blind", "spread"] == 0
    assert np.isnan(table.loc["oracle", "spread"])
    assert table.attrs["curves"]["tpr"]["oracle"][1:] == [1.0] * 100


def test_what_reads_the_same_vectors_is_no_baseline_of_theirs():
    x = np.random.default_rng(0).normal(size=(60, 3))
    rows = readers({"x": x}, Y, simple={"random": [x, x]}, in_cells={"counts": x}, n_trees=5, rng=0)
    own = ["x", "random", "x, logistic regression", "x, SVM"]
    assert list(rows) == [*own, "counts, forest", "counts, logistic regression", "counts, SVM"]
    assert [len(r) for r in rows.values()] == [1, 2, 1, 1, 1, 1, 1]
    table = compare(Y, rows, n_folds=2)
    table["auc"] = [0.9, 0.5, 0.95, 0.96, 0.6, 0.7, 0.4]
    assert best_baseline(table, "x") == "counts, logistic regression"
    assert best_baseline(table.iloc[[0, 2, 3]], "x") is None
    assert list(readers({"x": x}, Y, simple={}, in_cells={}, n_trees=5, rng=0)) == ["x"]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_vectors_that_hold_the_class_are_read_by_all(n_classes):
    y = np.arange(90) % n_classes
    x = np.eye(n_classes)[y] + 0.1 * np.random.default_rng(0).normal(size=(90, n_classes))
    rows = readers({"x": x}, y, simple={"x again": [x]}, in_cells={}, n_trees=10, rng=0)
    assert (compare(y, rows, n_folds=2)["auc"] > 0.95).all()
