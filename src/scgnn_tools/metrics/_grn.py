"""How good are the scores of edges?"""

import numpy as np
import pandas as pd


def grn(y_true: np.ndarray, score: np.ndarray, tf: np.ndarray | None = None) -> dict[str, float]:
    """Score a ranking of pairs.

    Parameters
    ----------
    y_true
        1 for an edge, 0 for none, shape (n_pairs,).
    score
        Higher is likelier, shape (n_pairs,); pairs without a score (NaN) are left out.
    tf
        Transcription factor of each pair, for the means over factors.

    Returns
    -------
    dict
        ``n``, ``n_positive``, ``density``; ``auroc``, ``auprc`` (average precision), ``auprc_ratio`` (to the density); ``epr``, the early
        precision: the share of edges among the top ``n_positive`` pairs, and ``epr_ratio``, the same to the density (BEELINE);
        ``precision_at_100``; ``auroc_per_tf`` and ``auprc_per_tf``, means over the ``n_tfs`` factors with both kinds of pairs. NaN
        where there is nothing to rank.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    y, s = np.asarray(y_true).astype(int), np.asarray(score, dtype=float)
    scored = ~np.isnan(s)
    y, s = y[scored], s[scored]
    n, n_positive = len(y), int(y.sum())
    names = ["auroc", "auprc", "auprc_ratio", "epr", "epr_ratio", "precision_at_100", "auroc_per_tf", "auprc_per_tf"]
    out = {"n": n, "n_positive": n_positive, "n_tfs": 0, "density": n_positive / n if n else float("nan")}
    out |= dict.fromkeys(names, float("nan"))
    if n_positive in (0, n):
        return out
    out["auroc"] = float(roc_auc_score(y, s))
    out["auprc"] = float(average_precision_score(y, s))
    out["auprc_ratio"] = out["auprc"] / out["density"]
    out["epr"] = precision_at(y, s, n_positive)
    out["epr_ratio"] = out["epr"] / out["density"]
    out["precision_at_100"] = precision_at(y, s, min(100, n))
    if tf is not None:
        groups = pd.DataFrame({"y": y, "s": s, "tf": np.asarray(tf)[scored]}).groupby("tf", sort=False)
        both = [(g["y"].to_numpy(), g["s"].to_numpy()) for _, g in groups if 0 < g["y"].sum() < len(g)]
        out["n_tfs"] = len(both)
        if both:
            out["auroc_per_tf"] = float(np.mean([roc_auc_score(*b) for b in both]))
            out["auprc_per_tf"] = float(np.mean([average_precision_score(*b) for b in both]))
    return out


def precision_at(y: np.ndarray, score: np.ndarray, k: int) -> float:
    """Return the share of edges among the ``k`` best pairs; pairs that tie at the cut count by their mean."""
    cut = -np.partition(-score, k - 1)[k - 1]
    above, tied = score > cut, score == cut
    return float((y[above].sum() + (k - above.sum()) * y[tied].mean()) / k)
