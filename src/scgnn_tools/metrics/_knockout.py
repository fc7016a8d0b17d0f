"""How well is it predicted which genes a knock-out changes, and which way?"""

import numpy as np
import pandas as pd

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools.metrics._perturbation import average_precision, pearson

IGNORED = -1


@door_of_arrays
def knockout(
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float | None = None,
    share: float | None = None,
    true_change: np.ndarray | None = None,
    change: np.ndarray | None = None,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Score the classes of genes in knock-out experiments.

    Parameters
    ----------
    labels
        Class of each gene, from strongly down to strongly up with "unchanged" in the middle, -1 for a gene that does not count; int
        (n_experiments, n_genes).
    probabilities
        (n_experiments, n_genes, n_classes); 3 or 5 classes.
    threshold
        A gene is called changed if the probability of its likelier direction is above: one that changes, and nobody knows which way, is not
        called. None takes .5.
    share
        In place of the threshold: so large a part of all genes that count is called changed.
    true_change, change
        Of the regression, (n_experiments, n_genes).

    Returns
    -------
    tuple
        A DataFrame with a row an experiment: ``n`` genes, ``accuracy`` beside that of calling all unchanged (``accuracy_majority``),
        ``auprc`` of change with its base rate (``auprc_base``) and their ratio, ``auroc``, ``brier`` of the probability of change,
        ``opposite``: share of the changed genes that are called changed the other way, ``direction``: share of those called changed
        whose way is right; with the changes ``mse`` and ``pearson_delta``. And confusion matrices, int (n_experiments, n_classes,
        n_classes), the true class in the rows.

    Raises
    ------
    InputValueError
        If shapes differ, or both ``threshold`` and ``share`` are given.

    Examples
    --------
    Two experiments, three genes each; the first gene goes down (class 0), the others do not change (class 1):

    >>> truth = np.array([[0, 1, 1], [0, 1, 1]])
    >>> table, confusion = sgt.metrics.knockout(truth, np.eye(3)[truth])
    >>> table["accuracy"].tolist(), confusion.shape
    ([1.0, 1.0], (2, 3, 3))
    """
    if threshold is not None and share is not None:
        msg = "Pass threshold= or share=, not both."
        raise InputValueError(msg)
    if labels.shape != probabilities.shape[:2] or probabilities.shape[2] not in (3, 5):
        msg = f"labels is {labels.shape}, probabilities {probabilities.shape}; (n, genes) and (n, genes, 3 or 5) are wanted."
        raise InputValueError(msg)
    k = probabilities.shape[2]
    middle = k // 2
    if share is not None:
        direction = of_direction(probabilities)[labels != IGNORED]
        threshold = float(np.quantile(direction, 1 - share)) if len(direction) else 0.5
    called = called_classes(probabilities, 0.5 if threshold is None else threshold)
    moved = 1 - probabilities[:, :, middle]
    rows, confusions = [], np.zeros((len(labels), k, k), dtype=np.int64)
    for i, label in enumerate(labels):
        own = label != IGNORED
        y, c, p = label[own], called[i, own], moved[i, own]
        np.add.at(confusions[i], (y, c), 1)
        changed = y != middle
        base = float(changed.mean()) if len(y) else float("nan")
        auprc = average_precision(changed, p)
        both = changed & (c != middle)
        same = np.sign(y - middle) == np.sign(c - middle)
        row = {
            "n": len(y),
            "accuracy": float((y == c).mean()) if len(y) else float("nan"),
            "accuracy_majority": 1 - base,
            "auprc": auprc,
            "auprc_base": base,
            "auprc_ratio": auprc / base if base > 0 else float("nan"),
            "auroc": _auroc(changed, p),
            "brier": float(((p - changed) ** 2).mean()) if len(y) else float("nan"),
            "opposite": float((both & ~same).sum() / changed.sum()) if changed.any() else float("nan"),
            "direction": float(same[both].mean()) if both.any() else float("nan"),
        }
        if true_change is not None and change is not None:
            off = (change[i] - true_change[i])[own]
            row["mse"] = float((off**2).mean()) if len(y) else float("nan")
            row["pearson_delta"] = pearson(change[i, own], true_change[i, own]) if len(y) else float("nan")
        rows.append(row)
    return pd.DataFrame(rows), confusions


def called_classes(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return the class of each gene: unchanged unless the probability of a direction is above the threshold, then the likeliest change."""
    middle = probabilities.shape[2] // 2
    likeliest = np.where(np.arange(probabilities.shape[2]) == middle, -1.0, probabilities).argmax(axis=2)
    return np.where(of_direction(probabilities) > threshold, likeliest, middle)


def of_direction(probabilities: np.ndarray) -> np.ndarray:
    """Return the probability of the likelier direction, both strengths of it, (n_experiments, n_genes)."""
    middle = probabilities.shape[2] // 2
    down, up = probabilities[:, :, :middle].sum(axis=2), probabilities[:, :, middle + 1 :].sum(axis=2)
    out: np.ndarray = np.maximum(down, up)
    return out


@door_of_arrays
def confusion_scores(confusion: np.ndarray) -> dict[str, float]:
    """Return what a confusion matrix says: macro precision, recall and F1, balanced accuracy, MCC.

    A class that neither is nor is called does not count; one that is and is never called has a precision of 0.

    Parameters
    ----------
    confusion
        The true class in the rows, int (n_classes, n_classes).

    Examples
    --------
    >>> scores = sgt.metrics.confusion_scores(np.array([[8, 2, 0], [1, 9, 0], [0, 3, 7]]))
    >>> sorted(scores)
    ['balanced_accuracy', 'macro_f1', 'macro_precision', 'macro_recall', 'mcc']
    """
    hit, true, called = np.diag(confusion).astype(float), confusion.sum(axis=1), confusion.sum(axis=0)
    there = (true + called) > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = np.nan_to_num(hit / called), np.nan_to_num(hit / true)
        f1 = np.nan_to_num(2 * hit / (true + called))
    n = confusion.sum()
    spread = np.sqrt(float(n**2 - (called.astype(float) ** 2).sum())) * np.sqrt(
        float(n**2 - (true.astype(float) ** 2).sum())
    )
    mcc = float((n * hit.sum() - (true.astype(float) * called).sum()) / spread) if spread > 0 else 0.0
    return {
        "macro_precision": float(precision[there].mean()),
        "macro_recall": float(recall[there].mean()),
        "macro_f1": float(f1[there].mean()),
        "balanced_accuracy": float(recall[true > 0].mean()) if (true > 0).any() else float("nan"),
        "mcc": mcc,
    }


def _auroc(changed: np.ndarray, p: np.ndarray) -> float:
    from scipy.stats import rankdata

    n = int(changed.sum())
    if not 0 < n < len(changed):
        return float("nan")
    return float((rankdata(p)[changed].sum() - n * (n + 1) / 2) / (n * (len(p) - n)))
