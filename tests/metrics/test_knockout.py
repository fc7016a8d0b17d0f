import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef, precision_score, roc_auc_score

from scgnn_tools._errors import InputValueError
from scgnn_tools.metrics import confusion_scores, knockout

RNG = np.random.default_rng(0)
LABELS = RNG.choice([0, 1, 2], p=[0.2, 0.6, 0.2], size=(4, 200))
P = RNG.dirichlet([1, 2, 1], size=(4, 200)) + 0.4 * np.eye(3)[LABELS]
P /= P.sum(axis=2, keepdims=True)


def test_the_numbers_are_those_of_scikit_learn():
    table, matrices = knockout(LABELS, P, threshold=0.5)
    called = np.where(np.maximum(P[:, :, 0], P[:, :, 2]) > 0.5, np.where(P[:, :, 2] > P[:, :, 0], 2, 0), 1)
    pooled = confusion_scores(matrices.sum(axis=0))
    y, c = LABELS.ravel(), called.ravel()
    assert pooled["macro_f1"] == pytest.approx(f1_score(y, c, average="macro"))
    assert pooled["macro_precision"] == pytest.approx(precision_score(y, c, average="macro"))
    assert pooled["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, c))
    assert pooled["mcc"] == pytest.approx(matthews_corrcoef(y, c))
    assert table["auroc"][0] == pytest.approx(roc_auc_score(LABELS[0] != 1, 1 - P[0, :, 1]))
    np.testing.assert_allclose(table["accuracy"], (called == LABELS).mean(axis=1))
    np.testing.assert_allclose(table["accuracy_majority"], (LABELS == 1).mean(axis=1))


def test_opposite_ways_and_genes_that_do_not_count():
    labels = np.array([[0, 2, 2, 1, -1, -1]])
    p = np.zeros((1, 6, 3))
    p[0, [0, 1, 2, 3, 4, 5], [2, 2, 1, 1, 0, 0]] = 1  # one the wrong way, one right, one missed
    table, matrices = knockout(labels, p)
    row = table.iloc[0]
    assert (row["n"], row["opposite"], row["direction"]) == (4, pytest.approx(1 / 3), 0.5)
    assert matrices.sum() == 4


def test_a_change_of_unknown_direction_is_not_called():
    p = np.array([[[0.4, 0.2, 0.4], [0.0, 0.4, 0.6]]])
    _, matrices = knockout(np.array([[2, 2]]), p)
    assert matrices[0, 2].tolist() == [0, 1, 1]
    five = np.array([[[0.3, 0.3, 0.4, 0.0, 0.0]]])
    assert knockout(np.array([[1]]), five)[1][0].sum(axis=0).tolist() == [1, 0, 0, 0, 0]


def test_nobody_who_calls_all_unchanged_gets_anything_but_accuracy():
    p = np.zeros((4, 200, 3))
    p[:, :, 1] = 1
    table, matrices = knockout(LABELS, p)
    np.testing.assert_allclose(table["auprc"], table["auprc_base"])
    np.testing.assert_allclose(table["accuracy"], table["accuracy_majority"])
    assert confusion_scores(matrices.sum(axis=0))["mcc"] == 0


def test_bad_shapes():
    with pytest.raises(InputValueError, match=r"labels is \(4, 200\), probabilities \(4, 200, 2\)"):
        knockout(LABELS, P[:, :, :2])
    with pytest.raises(InputValueError, match="not both"):
        knockout(LABELS, P, threshold=0.5, share=0.1)


def test_a_share_of_the_genes_is_called():
    labels = LABELS.copy()
    labels[:, :50] = -1
    _, matrices = knockout(labels, P, share=0.1)
    assert matrices.sum() - matrices[:, :, 1].sum() == 60
