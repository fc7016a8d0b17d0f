"""How a method did on cells that it had not seen, beside its baselines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._names import safe_names
from scgnn_tools._verdict import verdict_word
from scgnn_tools.annotation.conformal import ConformalSets, coverage_of
from scgnn_tools.metrics import reliability

CERTAIN = 1.96
"""Standard errors from which on a difference is told from none, at 95 %."""


@dataclass(frozen=True)
class Report:
    """What is known of a method from held-out cells.

    Attributes
    ----------
    evaluation
        One row a method, the baselines included, scored on the same held-out cells.
    verdict
        The method against its best baseline, in words.
    calibration
        Confidence and accuracy of the method on the held-out cells, in bins.
    confusion
        Held-out cells by true (rows) and predicted class.
    conformal
        What the sets promise and what they did on the held-out cells; empty without sets.
    held_out
        What was held out: "cells" of the experiments that trained, or whole "experiments".
    """

    evaluation: pd.DataFrame
    verdict: str
    calibration: pd.DataFrame
    confusion: pd.DataFrame
    conformal: dict[str, Any]
    held_out: str


def make(
    rows: dict[str, dict[str, Any]],
    method: str,
    proba: np.ndarray,
    codes: np.ndarray,
    classes: np.ndarray,
    conformal: dict[str, Any],
    held_out: str,
) -> Report:
    """Return the report of the rows of an evaluation and the method's probabilities on the held-out cells, (n_cells, n_classes)."""
    evaluation, best = pd.DataFrame.from_dict(rows, orient="index"), proba.argmax(axis=1)
    return Report(
        evaluation,
        verdict(evaluation, method, held_out),
        reliability(best == codes, proba.max(axis=1, initial=0)),
        confusion(codes, best, classes),
        conformal,
        held_out,
    )


def promise(sets: ConformalSets, inside: np.ndarray, codes: np.ndarray, n: int) -> dict[str, Any]:
    """Return what sets promise, and what those of held-out cells, ``inside`` bool (n_cells, n_classes), did; ``n`` set the thresholds."""
    share, error, size = coverage_of(inside, codes)
    return {
        "coverage": sets.coverage,
        "kind": sets.kind,
        "n_calibration": n,
        "held_out_coverage": share,
        "held_out_standard_error": error,
        "held_out_mean_size": size,
    }


def confusion(true: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """Return how many cells of each class (rows) got which label (columns)."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    names = safe_names(classes)
    return pd.DataFrame(counts, index=names, columns=names)


def difference(own: np.ndarray, other: np.ndarray, codes: np.ndarray) -> dict[str, float]:
    """Return by how much the method is more often right than a baseline on the same cells, and the standard error of that.

    Only cells on which one of both is right count (McNemar).
    """
    if len(codes) == 0:
        return {"difference": float("nan"), "standard_error": float("nan")}
    differ = (own.argmax(axis=1) == codes).astype(float) - (other.argmax(axis=1) == codes)
    return {"difference": float(differ.mean()), "standard_error": float(np.sqrt((differ**2).sum()) / len(codes))}


def verdict(evaluation: pd.DataFrame, method: str, held_out: str = "cells") -> str:
    """Say whether a method beats or loses to its best baseline; within the 95 % interval of the paired difference it does neither.

    Cells of the experiments that trained say nothing of another laboratory; then the words are there.
    """
    others = evaluation.drop(index=method)
    others = others[others["kind"] == "baseline"]
    own = evaluation.loc[method]
    if not own["n"] or others.empty:
        return f"{method}: too few labelled cells to score any method"
    best = others["accuracy"].idxmax()
    gain = own["accuracy"] - others.loc[best, "accuracy"]
    error = others.loc[best].get("standard_error", np.nan)
    if np.isnan(error):  # of a share of that size among so many cells: they were not scored side by side
        error = np.sqrt(max(own["accuracy"] * (1 - own["accuracy"]), 1e-4) / own["n"])
    wide = CERTAIN * error + 1e-9
    words = verdict_word(gain - wide, gain + wide, undecided="is not told apart from")
    where = "cells, within one experiment" if held_out == "cells" else "cells of experiments that it had not seen"
    return (
        f"{method} {words} the best baseline on {int(own['n']):,} held-out labelled {where}: accuracy {own['accuracy']:.3f}, "
        f"{best} {others.loc[best, 'accuracy']:.3f} (difference {gain:+.3f}, 95 % ± {CERTAIN * error:.3f})"
    )
