"""How good are labels and their probabilities?"""

import numpy as np
import pandas as pd

from scgnn_tools._doors import door_of_arrays


@door_of_arrays
def annotation(y_true: np.ndarray, y_pred: np.ndarray, proba: np.ndarray | None = None) -> dict[str, float]:
    """Score predicted labels.

    Parameters
    ----------
    y_true, y_pred
        Labels, shape (n_cells,).
    proba
        Probability of the predicted label, shape (n_cells,), for the calibration error.

    Returns
    -------
    dict
        ``n``, ``accuracy``, ``macro_f1``, ``macro_precision`` (0 for a class that is never predicted) and ``balanced_accuracy``, which is
        the macro recall, over the classes that are in ``y_true``, ``weighted_f1``, and ``ece``, the expected calibration error in 15 bins
        of equal size (NaN without ``proba``).

    Examples
    --------
    >>> scores = sgt.metrics.annotation(np.array(["B", "T", "T", "NK"]), np.array(["B", "T", "T", "T"]))
    >>> scores["accuracy"]
    0.75
    """
    from sklearn.metrics import f1_score, precision_score

    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if len(y_true) == 0:
        names = ("accuracy", "macro_f1", "macro_precision", "weighted_f1", "balanced_accuracy", "ece")
        return {"n": 0, **dict.fromkeys(names, float("nan"))}
    classes = np.unique(y_true)
    hit = y_true == y_pred
    return {
        "n": len(y_true),
        "accuracy": float(hit.mean()),
        "macro_f1": float(f1_score(y_true, y_pred, labels=classes, average="macro", zero_division=0)),
        "macro_precision": float(precision_score(y_true, y_pred, labels=classes, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(y_true, y_pred, labels=classes, average="weighted", zero_division=0)),
        "balanced_accuracy": float(np.mean([hit[y_true == c].mean() for c in classes])),
        "ece": float("nan") if proba is None else expected_calibration_error(hit, np.asarray(proba)),
    }


@door_of_arrays
def reliability(hit: np.ndarray, proba: np.ndarray, *, n_bins: int = 15) -> pd.DataFrame:
    """Return confidence and accuracy in bins of equal size: ``confidence``, ``accuracy``, ``n``, one row a bin.

    Parameters
    ----------
    hit
        Whether each label is right, shape (n_cells,).
    proba
        Probability of each label, shape (n_cells,).
    n_bins
        Bins; fewer where there are fewer cells.

    Examples
    --------
    >>> right = adata.obs["sgt_label"].astype(str) == adata.obs["cell_type"].astype(str)
    >>> bins = sgt.metrics.reliability(right.to_numpy(), adata.obs["sgt_label_confidence"].to_numpy(), n_bins=5)
    >>> bins.columns.tolist()
    ['confidence', 'accuracy', 'n']
    """
    bins = np.array_split(np.argsort(proba, kind="stable"), max(min(n_bins, len(proba)), 1))
    rows = [(proba[b].mean(), hit[b].mean(), len(b)) for b in bins if len(b)]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "n"]).astype({"n": int})


@door_of_arrays
def expected_calibration_error(hit: np.ndarray, proba: np.ndarray, *, n_bins: int = 15) -> float:
    """Return the mean distance of confidence and accuracy over bins of equal size (Naeini et al. 2015).

    Parameters
    ----------
    hit, proba, n_bins
        As in :func:`reliability`.

    Examples
    --------
    Labels that are always right, at a confidence of one:

    >>> sgt.metrics.expected_calibration_error(np.ones(20, dtype=bool), np.ones(20))
    0.0
    """
    bins = reliability(hit, proba, n_bins=n_bins)
    return float(((bins["confidence"] - bins["accuracy"]).abs() * bins["n"]).sum() / len(proba))
