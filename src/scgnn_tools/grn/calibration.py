"""From scores to probabilities: how often a held-out pair of such a score is an edge, with factors seen in training and with others."""

from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._random import generator
from scgnn_tools.grn.evaluate import MIN_POSITIVE
from scgnn_tools.grn.inputs import LinkInputs, fit, missing, stop_if_interrupted
from scgnn_tools.links import PREDICTORS

HELD = 0.1
NONE = {"slope": float("nan"), "intercept": float("nan"), "n": 0.0}


def calibrate(inputs: LinkInputs, method: str, *, rng: int, options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Fit the method once more without a tenth of the factors and a tenth of the pairs of the others, and see what its scores mean.

    Returns
    -------
    dict
        ``seen`` and ``unseen`` (factors of the training pairs, and others), each with the ``slope`` and ``intercept`` of the logistic
        regression of the label on the score, and the number ``n`` of held-out pairs. What has too few edges takes the other's; NaN if
        both have.
    """
    if missing(method, inputs, options or {}):
        return {"seen": NONE, "unseen": NONE}
    draws, pairs = generator(rng), inputs.pairs
    names = draws.permutation(np.sort(pairs["tf"].unique()))
    unseen = pairs["tf"].isin(names[: round(HELD * len(names))]).to_numpy()
    seen = ~unseen & (draws.random(len(pairs)) < HELD)
    train = pairs[~(seen | unseen)]
    if train["label"].nunique() < 2:
        return {"seen": NONE, "unseen": NONE}
    fitted = fit(method, inputs, train, None, rng, **options)
    stop_if_interrupted(method, fitted)
    held = {"seen": pairs[seen], "unseen": pairs[unseen]}
    found = {name: logistic(fitted.score(part), part["label"].to_numpy()) for name, part in held.items()}
    for name, other in (("seen", "unseen"), ("unseen", "seen")):
        if np.isnan(found[name]["slope"]):
            found[name] = found[other]
    return found


def logistic(score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Return ``slope``, ``intercept`` and ``n`` of the logistic regression of labels on scores; NaN with too few edges.

    If a higher score does not make an edge likelier, the slope is 0 and the probability the share of edges.
    """
    from sklearn.linear_model import LogisticRegression

    scored = np.isfinite(score)
    x, y = score[scored], label[scored].astype(int)
    n_positive = int(y.sum())
    if n_positive < MIN_POSITIVE or n_positive == len(y):
        return {**NONE, "n": float(len(y))}
    spread = float(x.std()) or 1.0
    regression = LogisticRegression(C=100.0).fit((x / spread)[:, None], y)
    slope, intercept = float(regression.coef_[0, 0]) / spread, float(regression.intercept_[0])
    if slope <= 0:
        slope, intercept = 0.0, float(np.log(n_positive / (len(y) - n_positive)))
    return {"slope": slope, "intercept": intercept, "n": float(len(y))}


def probability(
    edges: pd.DataFrame, method: str, found: dict[str, dict[str, float]], seen: np.ndarray | pd.Index
) -> np.ndarray:
    """Return the calibrated probability of edges with a ``score``, by whether the factor is among those ``seen``; NaN if unknown.

    The odds are ``exp(intercept)`` times the odds of the score, if it is a probability, to the power of ``slope``; else times
    ``exp(slope * score)``.
    """
    score = edges["score"].to_numpy(dtype=float)
    known = edges["tf"].isin(seen).to_numpy()
    slope, intercept = (np.where(known, found["seen"][k], found["unseen"][k]) for k in ("slope", "intercept"))
    if PREDICTORS[method].log_odds:
        score = np.clip(score, 1e-12, 1 - 1e-12)
        odds = np.exp(intercept) * (score / (1 - score)) ** slope
    else:
        odds = np.exp(np.clip(intercept + slope * score, None, 500))
    return odds / (1 + odds)
