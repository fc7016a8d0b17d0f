"""Evaluate a predictor beside the baselines on a prior."""

from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError
from scgnn_tools.grn.candidates import STATED
from scgnn_tools.grn.inputs import LinkInputs, fit, stop_if_interrupted
from scgnn_tools.links import PREDICTORS
from scgnn_tools.metrics import grn as grn_metrics
from scgnn_tools.splits import audit_pairs, split_pairs

MIN_POSITIVE = 20
"""Fewer edges than that in a test set are not worth a number that others would quote."""


def evaluate(
    inputs: LinkInputs, method: str, *, split: str, rng: int, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Score the method, made with ``options``, and every baseline on the same held-out pairs of the prior.

    Returns
    -------
    dict
        ``table`` (DataFrame, a row a method), ``status`` ("ok", or what is missing), ``split``, ``candidates``, ``verdict``.
    """
    options = options or {}
    entries = [method, *(n for n, e in PREDICTORS.items() if e.always and n != method)]
    out: dict[str, Any] = {"split": split, "candidates": STATED, "status": "ok"}
    try:
        part = split_pairs(split, inputs.pairs, rng=rng)
    except GraphError as error:
        part = np.full(len(inputs.pairs), -1, dtype=np.int8)
        out["status"] = f"not evaluated: {error}"
    train, validation, test = (inputs.pairs[part == p] for p in range(3))
    n_positive = int(test["label"].sum())
    if out["status"] == "ok" and n_positive < MIN_POSITIVE:
        out["status"] = f"not evaluated: {n_positive} edges in the test set, at least {MIN_POSITIVE} are wanted"
    rows = {}
    for name in entries:
        row: dict[str, Any] = {"kind": PREDICTORS[name].kind, "uses": PREDICTORS[name].uses}
        if out["status"] == "ok":
            mine = options if name == method else {k: v for k, v in options.items() if k == "device"}
            fitted = fit(name, inputs, train, validation, rng, **mine)
            stop_if_interrupted(name, fitted)
            if fitted is not None and PREDICTORS[name].messages:
                _audit(train, test, fitted)
            score = np.full(len(test), np.nan) if fitted is None else fitted.score(test)
        else:
            score = np.full(len(test), np.nan)
        metrics = grn_metrics(test["label"].to_numpy(), score, test["tf"].to_numpy())
        if metrics["n_positive"] < MIN_POSITIVE:  # of expression: pairs of which the data hold both genes may be few
            few = metrics["n_positive"]
            metrics = {k: v if k in ("n", "n_positive", "n_tfs") else float("nan") for k, v in metrics.items()}
            row["status"] = f"{few} edges with a score: too few"
        rows[name] = {**row, "status": row.get("status", "ok"), **metrics}
    out["table"] = pd.DataFrame.from_dict(rows, orient="index")
    out["verdict"] = verdict(out["table"], method, out["status"])
    return out


def _audit(train: pd.DataFrame, test: pd.DataFrame, fitted: Any) -> None:
    """Refuse messages over test edges; a pair that is known both ways is passed over one way and is no leak of the other."""
    both = pd.MultiIndex.from_frame(test[["target", "tf"]]).isin(pd.MultiIndex.from_frame(train[["tf", "target"]]))
    audit_pairs(train, test[~both], message_graph=fitted.message_graph, genes=fitted.nodes)


def verdict(table: pd.DataFrame, method: str, status: str) -> str:
    """Say whether a method beats, ties with or loses to its best baseline in AUPRC; a tie is within one standard error."""
    if status != "ok":
        return f"{method} was {status}"
    others = table.drop(index=method)
    others = others.loc[(others["kind"] == "baseline") & others["auprc"].notna(), "auprc"]
    own = table.loc[method, "auprc"]
    if others.empty or np.isnan(own):
        return f"{method}: {table.loc[method, 'status']}"
    best = others.idxmax()
    # of a share of that size among so many edges (Boyd et al. 2013)
    error = float(np.sqrt(own * (1 - own) / table.loc[method, "n_positive"]))
    word = "ties with" if abs(own - others[best]) <= error else "beats" if own > others[best] else "loses to"
    told = f"AUPRC {short(own)}, {best} {short(others[best])}, chance {short(table.loc[method, 'density'])}"
    return f"{method} {word} the best baseline: {told}"


def short(value: float) -> str:
    """Return a metric with three decimals, or what is below 0.01 with two digits: an AUPRC of 0.0004 is not 0.000."""
    return f"{value:.2g}" if 0 < abs(value) < 0.01 else f"{value:.3f}"
