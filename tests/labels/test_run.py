import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import LabelError, SgtWarning
from scgnn_tools.labels._run import run, verdict

NAMES = np.array(["B", "T", "NK", "Mono"])


def test_the_baselines_are_scored_on_the_same_cells(problem):
    (labelled, y), _, (query, y_query) = problem
    result = run(labelled, NAMES[y], query, method="logreg_pca", rng=0)
    assert list(result.evaluation.index) == ["logreg_pca", "centroid", "knn_pca"]
    assert result.evaluation["n"].nunique() == 1
    assert set(result.evaluation["kind"]) == {"baseline"}
    assert (result.classes[result.proba.argmax(axis=1)] == NAMES[y_query]).mean() > 0.9
    np.testing.assert_allclose(result.proba.sum(axis=1), 1, rtol=1e-5)
    assert result.unknown.mean() < 0.05


def test_nothing_is_rejected_unless_asked(problem):
    (labelled, y), _, (query, _) = problem
    assert not run(labelled, NAMES[y], query, method="knn_pca", reject=False).unknown.any()


def test_one_class_is_refused(problem):
    (labelled, _), _, (query, _) = problem
    with pytest.raises(LabelError, match="at least two classes; the labels hold 1: B"):
        run(labelled, np.full(len(labelled), "B"), query, method="knn_pca")


def test_a_class_with_one_cell_trains_and_is_told_of(problem):
    (labelled, y), _, (query, _) = problem
    labels = NAMES[y].astype(object)
    labels[0] = "rare"
    with pytest.warns(SgtWarning, match="1 classes have a single labelled cell.*: rare"):
        result = run(labelled, labels.astype(str), query, method="knn_pca")
    assert "rare" in result.classes


@pytest.mark.parametrize(
    ("accuracy", "word"),
    [(0.95, "beats the best baseline"), (0.905, "ties with"), (0.70, "loses to the best baseline")],
)
def test_the_verdict_is_honest(accuracy, word):
    table = pd.DataFrame(
        {"kind": ["method", "baseline", "baseline"], "n": 400, "accuracy": [accuracy, 0.9, 0.8]},
        index=["m", "good", "bad"],
    )
    assert word in verdict(table, "m")
    assert "good 0.900" in verdict(table, "m")


def test_no_verdict_without_cells_to_score():
    table = pd.DataFrame({"kind": ["method", "baseline"], "n": 0, "accuracy": np.nan}, index=["m", "b"])
    assert "too few labelled cells" in verdict(table, "m")
