"""Evaluate a predictor beside the baselines on a prior."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import GraphError
from scgnn_tools._log import counted
from scgnn_tools._random import generator
from scgnn_tools._verdict import verdict_word
from scgnn_tools.grn.candidates import STATED
from scgnn_tools.grn.inputs import LinkInputs, fit, stop_if_interrupted
from scgnn_tools.grn.null import permuted
from scgnn_tools.grn.runs import joins
from scgnn_tools.links import PREDICTORS, WithMessages
from scgnn_tools.metrics import auprc_difference
from scgnn_tools.metrics import grn as grn_metrics
from scgnn_tools.splits import audit_pairs, split_pairs

MIN_POSITIVE = 20
"""Fewer edges than that in a test set are not worth a number that others would quote."""

DRAWS = 200
"""Draws of factors for an interval."""

DIFFERENCE = ("difference", "difference_low", "difference_high")
"""Columns of how much higher the AUPRC of the method is than that of a row, with its 95 % interval over factors."""

PERMUTED, CONTROL = "permuted cells", "control"
"""The row of a method that learnt from cells whose genes are permuted, and its kind."""


def evaluate(
    inputs: LinkInputs,
    method: str,
    *,
    split: str,
    rng: int,
    options: dict[str, Any] | None = None,
    controls: bool = True,
) -> dict[str, Any]:
    """Score the method, made with ``options``, and every baseline on the same held-out pairs of the prior.

    A pair that a method cannot score gets chance there: a score drawn from those that it has. With ``controls`` a method that reads
    expression is fitted once more on cells whose genes are permuted.

    Returns
    -------
    dict
        ``table`` (DataFrame, a row a method; ``coverage`` is the share of the pairs that it scores; the metrics of
        :func:`scgnn_tools.metrics.grn`, each with its 95 % interval over factors ``…_low``, ``…_high``; ``difference``,
        ``difference_low``, ``difference_high``: how much higher the AUPRC of the method is than that of the row), ``status`` ("ok", or
        what is missing), ``split``, ``candidates``, ``verdict``.
    """
    options = options or {}
    out: dict[str, Any] = {"split": split, "candidates": STATED, "status": "ok"}
    try:
        part = split_pairs(split, inputs.pairs, rng=rng)
    except GraphError as error:
        part = np.full(len(inputs.pairs), -1, dtype=np.int8)
        out["status"] = f"not evaluated: {str(error).rstrip('.')}"
    train, validation, test = (inputs.pairs[part == p] for p in range(3))
    n_positive = int(test["label"].sum())
    if out["status"] == "ok" and n_positive < MIN_POSITIVE:
        out["status"] = (
            f"not evaluated: {counted(n_positive, 'edge')} in the test set, at least {MIN_POSITIVE} are wanted"
        )
    label, tf = test["label"].to_numpy(), test["tf"].to_numpy()
    rows, scores = {}, {}
    for shown, name, given in _entries(inputs, method, options, rng, controls=controls):
        row: dict[str, Any] = {
            "kind": CONTROL if shown == PERMUTED else PREDICTORS[name].kind,
            "uses": PREDICTORS[name].uses,
        }
        score = np.full(len(test), np.nan)
        if out["status"] == "ok":
            mine = options if name == method else {k: v for k, v in options.items() if k == "device"}
            fitted = fit(name, given, train, validation, rng, **mine)
            stop_if_interrupted(name, fitted)
            if fitted is not None and PREDICTORS[name].messages:
                _audit(train, test, cast("WithMessages", fitted))
            score = score if fitted is None else fitted.score(test)
        scores[shown], coverage = _everywhere(score, rng)
        few = int(label[np.isfinite(score)].sum())
        enough = few >= MIN_POSITIVE  # of expression: pairs of which the data hold both genes may be few
        judged = scores[shown] if enough else np.full(len(test), np.nan)
        metrics = grn_metrics(label, judged, tf, bootstrap=DRAWS, rng=rng)
        told = {
            "coverage": coverage,
            "status": "ok" if enough else f"{counted(few, 'held-out edge')} with a score, too few",
        }
        rows[shown] = {**row, **told, **metrics}
    table = pd.DataFrame.from_dict(rows, orient="index")
    out["table"] = table.join(_differences(table, method, label, scores, tf))
    out["verdict"] = f"{verdict(out['table'], method, out['status'], label, scores, tf)} (split {split})"
    return out


def _differences(
    table: pd.DataFrame, method: str, label: np.ndarray, scores: Mapping[str, np.ndarray], tf: np.ndarray
) -> pd.DataFrame:
    """Return how much higher the AUPRC of the method is than that of each other row, with a 95 % interval over factors."""
    out = pd.DataFrame(np.nan, index=table.index, columns=list(DIFFERENCE))
    judged = table["auprc"].notna()
    for name in table.index[judged & (table.index != method)] if judged[method] else []:
        interval = auprc_difference(label, scores[method], scores[name], tf, bootstrap=DRAWS)
        out.loc[name] = [table.loc[method, "auprc"] - table.loc[name, "auprc"], *interval]
    return out


def _entries(
    inputs: LinkInputs, method: str, options: dict[str, Any], rng: int, *, controls: bool
) -> list[tuple[str, str, LinkInputs]]:
    """Return what is evaluated: the name of the row, the predictor, and what it may use; no cells where they are the other side."""
    blind = joins(method, options)
    out = [(method, method, replace(inputs, expression=None) if blind else inputs)]
    out += [(n, n, inputs) for n, e in PREDICTORS.items() if e.always and n != method]
    entry = PREDICTORS[method]
    reads = "expression" in entry.takes | entry.needed(options)
    if controls and not blind and inputs.expression is not None and reads:
        cells = inputs.expression.copy()
        cells.X = sp.csr_matrix(permuted(sp.csr_array(cells.X), rng=rng))
        out.append((PERMUTED, method, replace(inputs, expression=cells)))
    return out


def _everywhere(score: np.ndarray, rng: int) -> tuple[np.ndarray, float]:
    """Return scores with chance where there was none, and the share of pairs that had one."""
    there = np.isfinite(score)
    if there.all() or not there.any():
        return score, float(there.mean()) if len(score) else 0.0
    out = score.copy()
    out[~there] = generator(rng).choice(score[there], size=int((~there).sum()))
    return out, float(there.mean())


def _audit(train: pd.DataFrame, test: pd.DataFrame, fitted: WithMessages) -> None:
    """Refuse messages over test edges; a pair that is known both ways is passed over one way and is no leak of the other."""
    both = pd.MultiIndex.from_frame(test[["target", "tf"]]).isin(pd.MultiIndex.from_frame(train[["tf", "target"]]))
    audit_pairs(train, test[~both], message_graph=fitted.message_graph, genes=fitted.nodes)


def verdict(
    table: pd.DataFrame, method: str, status: str, label: np.ndarray, scores: Mapping[str, np.ndarray], tf: np.ndarray
) -> str:
    """Say whether a method beats, ties with or loses to its best baseline in AUPRC; a tie is within a 95 % interval over factors."""
    if status != "ok":
        return f"{method} was {status}"
    others = table.drop(index=method)
    others = others.loc[(others["kind"] == "baseline") & others["auprc"].notna(), "auprc"]
    own = table.loc[method, "auprc"]
    if others.empty or np.isnan(own):
        return f"{method} was not evaluated: {table.loc[method, 'status']}"
    best = others.idxmax()
    if DIFFERENCE[0] in table:
        low, high = table.loc[best, list(DIFFERENCE[1:])]
    else:
        fine = np.isfinite(scores[method]) & np.isfinite(scores[best])
        low, high = auprc_difference(label[fine], scores[method][fine], scores[best][fine], tf[fine], bootstrap=DRAWS)
    undecided = "ties with" if np.isfinite(low) else "is not told apart from"
    word = verdict_word(low, high, undecided=undecided)
    interval = f"difference {short(own - others[best])}, "
    interval += (
        f"95 % {short(low)} to {short(high)}" if np.isfinite(low) else "too few transcription factors for an interval"
    )
    told = (
        f"AUPRC {short(own)}, {best} {short(others[best])} ({interval}), chance {short(table.loc[method, 'density'])}"
    )
    out = f"{method} {word} the best baseline: {told}"
    if PERMUTED in table.index and np.isfinite(table.loc[PERMUTED, "auprc"]):
        out += f", permuted cells {short(table.loc[PERMUTED, 'auprc'])}"
    return out


def short(value: float) -> str:
    """Return a metric with three decimals, or what is below 0.01 with two digits: an AUPRC of 0.0004 is not 0.000."""
    return f"{value:.2g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"
