import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputValueError, LabelError, SgtWarning
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.report import difference, verdict
from scgnn_tools.annotation.run import run
from scgnn_tools.annotation.settings import settings_of
from scgnn_tools.labels import METHODS, Entry, label_method
from scgnn_tools.labels.logreg import LogRegPCA

NAMES = np.array(["B", "T", "NK", "Mono"])


def test_the_baselines_are_scored_on_the_same_cells(problem):
    (labelled, y), _, (query, y_query) = problem
    result = run(labelled, NAMES[y], Query.of(query), method="logreg_pca", rng=0)
    assert list(result.report.evaluation.index) == ["logreg_pca", "centroid", "knn_pca"]
    assert result.report.evaluation["n"].nunique() == 1
    assert set(result.report.evaluation["kind"]) == {"baseline"}
    assert (result.classes[result.proba.argmax(axis=1)] == NAMES[y_query]).mean() > 0.9
    np.testing.assert_allclose(result.proba.sum(axis=1), 1, rtol=1e-5)
    assert result.unknown.mean() < 0.08


def test_nothing_is_rejected_unless_asked(problem):
    (labelled, y), _, (query, _) = problem
    assert not run(labelled, NAMES[y], Query.of(query), method="knn_pca", reject=False).unknown.any()


def test_one_class_is_refused(problem):
    (labelled, _), _, (query, _) = problem
    with pytest.raises(LabelError, match="at least two classes; the labels hold 1: B"):
        run(labelled, np.full(len(labelled), "B"), Query.of(query), method="knn_pca")


def test_a_class_with_one_cell_trains_and_is_told_of(problem):
    (labelled, y), _, (query, _) = problem
    labels = NAMES[y].astype(object)
    labels[0] = "rare"
    with pytest.warns(SgtWarning, match="1 classes have a single labelled cell.*: rare"):
        result = run(labelled, labels.astype(str), Query.of(query), method="knn_pca")
    assert "rare" in result.classes


@pytest.mark.parametrize(
    ("accuracy", "word"),
    [
        (0.95, "beats the best baseline"),
        (0.905, "is not told apart from the best baseline"),
        (0.70, "loses to the best baseline"),
    ],
)
def test_the_verdict_is_honest(accuracy, word):
    table = pd.DataFrame(
        {"kind": ["method", "baseline", "baseline"], "n": 400, "accuracy": [accuracy, 0.9, 0.8]},
        index=["m", "good", "bad"],
    )
    assert word in verdict(table, "m")
    assert "good 0.900" in verdict(table, "m")


@pytest.mark.parametrize(
    ("alone", "word"),
    [
        ((0, 5), "loses to"),
        ((0, 3), "is not told apart from"),
        ((1, 0), "is not told apart from"),
        ((5, 2), "is not told apart from"),
        ((0, 0), "is not told apart from"),
        ((5, 0), "beats"),
    ],
)
def test_who_is_more_often_right_is_counted_on_the_same_cells(alone, word):
    """52 cells: two shares of that size can differ clearly where both are wrong about the same cells; three cells are no victory."""
    n, codes = 52, np.zeros(52, dtype=int)
    own, other = np.ones((n, 2)) * [1, 0], np.ones((n, 2)) * [1, 0]
    own[:9], other[:9] = own[:9, ::-1], other[:9, ::-1]  # both are wrong about nine
    other[9 : 9 + alone[0]] = [0, 1]
    own[20 : 20 + alone[1]] = [0, 1]
    paired = difference(own, other, codes)
    assert paired["difference"] == pytest.approx((alone[0] - alone[1]) / n)
    share = [(43 - alone[1]) / n, (43 - alone[0]) / n]
    table = pd.DataFrame({"kind": ["baseline"] * 2, "n": n, "accuracy": share}, index=["knn_pca", "logreg_pca"])
    table.loc["logreg_pca", list(paired)] = list(paired.values())
    assert f"knn_pca {word} the best baseline on 52" in verdict(table, "knn_pca")


def test_no_verdict_without_cells_to_score():
    table = pd.DataFrame({"kind": ["method", "baseline"], "n": 0, "accuracy": np.nan}, index=["m", "b"])
    assert "too few labelled cells" in verdict(table, "m")


class Spy:
    """Notes which unlabelled cells it is shown, and the options that it is made with."""

    seen: ClassVar[list] = []

    def __init__(self, *, device="auto", shade=0):
        self.shade = shade

    def fit(self, train, labels, validation, validation_labels, *, unlabeled=None, rng=0):
        self.seen.append((self.shade, len(train), None if unlabeled is None else len(unlabeled)))
        self.inner = LogRegPCA().fit(train, labels, validation, validation_labels)
        return self

    def scores(self, cells):
        return self.inner.scores(cells)


@pytest.fixture
def spy(monkeypatch):
    monkeypatch.setitem(METHODS, "spy", Entry(__name__, "Spy", "method"))
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(Spy=Spy))
    Spy.seen.clear()
    return Spy.seen


def test_a_transductive_run_shows_the_unlabelled_cells_and_the_scored_ones(problem, spy):
    (labelled, y), _, (query, _) = problem
    run(labelled, NAMES[y], Query.of(query), method="spy", options={"shade": 3})
    run(labelled, NAMES[y], Query.of(query), method="spy", unlabeled=np.arange(50))
    n_test = 4 * round(0.15 * 50)
    assert [s[2] for s in spy] == [None, None, n_test + 50, 50]
    assert [s[0] for s in spy] == [3, 3, 0, 0]


@pytest.mark.parametrize("transductive", [True, False])
def test_the_cells_to_label_are_shown_unasked_to_who_is_transductive_alone(spy, monkeypatch, transductive):
    monkeypatch.setitem(METHODS, "spy", replace(METHODS["spy"], transductive=transductive))
    settings = settings_of(
        method="spy", options={}, unknown=None, coverage=None, conformal="marginal", hierarchy=None, min_confidence=0.8, use_rep=None,
        rng=0, device="cpu", bundled=False,
    )  # fmt: skip
    assert settings.transductive == transductive


def test_a_device_goes_to_who_has_one_and_a_typo_names_the_options(spy):
    assert label_method("spy", device="cpu", shade=1).shade == 1
    assert isinstance(label_method("logreg_pca", device="cpu"), LogRegPCA)
    with pytest.raises(InputValueError, match=r"spy has no option 'shad'; its options are: device, shade\."):
        label_method("spy", shad=1)
    with pytest.raises(InputValueError, match=r"logreg_pca has no option 'C'; its options are: none\."):
        label_method("logreg_pca", C=1)
