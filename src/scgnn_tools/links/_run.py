"""Evaluate a predictor beside the baselines on a prior, train it, score the pairs of the data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError
from scgnn_tools._progress import progress
from scgnn_tools.links._candidates import STATED
from scgnn_tools.links._registry import PREDICTORS, link_predictor
from scgnn_tools.metrics import grn as grn_metrics
from scgnn_tools.splits import audit_pairs, split_pairs

if TYPE_CHECKING:
    from anndata import AnnData

MIN_POSITIVE = 20
"""Fewer edges than that in a test set are not worth a number that others would quote."""

BLOCK = 2**21


@dataclass(frozen=True)
class Inputs:
    """What the predictors may use.

    Attributes
    ----------
    pairs
        Labelled pairs over the whole prior: ``tf``, ``target``, ``label``.
    embedding
        Vector of each gene, indexed by symbol.
    genes
        Symbols of the data that can be scored.
    expression
        The data, ``var_names`` the symbols; None if no matrix fits.
    """

    pairs: pd.DataFrame
    embedding: pd.DataFrame
    genes: np.ndarray
    expression: "AnnData | None"


def evaluate(inputs: Inputs, method: str, *, split: str, rng: int) -> dict[str, Any]:
    """Score the method and every baseline on the same held-out pairs of the prior.

    Returns
    -------
    dict
        ``table`` (DataFrame, a row a method), ``status`` ("ok", or what is missing), ``split``, ``candidates``, ``verdict``.
    """
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
            fitted = fit(name, inputs, train, validation, rng)
            if hasattr(fitted, "message_graph"):
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


def fit(
    name: str, inputs: Inputs, train: pd.DataFrame, validation: pd.DataFrame | None, rng: int, **options: Any
) -> Any:
    """Fit a predictor; None if it needs an expression that there is not."""
    if missing(name, inputs):
        return None
    predictor = link_predictor(name, rng=rng, **options)
    # every gene of the prior and of the data is a node, so that all methods score the same pairs; which genes there are is
    # no label
    every = np.union1d(inputs.genes, inputs.pairs[["tf", "target"]].to_numpy(dtype=object).ravel())
    return predictor.fit(train, validation, genes=every, expression=inputs.expression, embedding=inputs.embedding)


def missing(name: str, inputs: Inputs) -> list[str]:
    """Name what a predictor needs and the data do not have."""
    return sorted(n for n in PREDICTORS[name].needs if getattr(inputs, n) is None)


def _audit(train: pd.DataFrame, test: pd.DataFrame, fitted: Any) -> None:
    """Refuse messages over test edges; a pair that is known both ways is passed over one way and is no leak of the other."""
    both = pd.MultiIndex.from_frame(test[["target", "tf"]]).isin(pd.MultiIndex.from_frame(train[["tf", "target"]]))
    audit_pairs(train, test[~both], message_graph=fitted.message_graph, genes=np.asarray(fitted._genes))


def score_all(
    inputs: Inputs,
    method: str,
    tfs: np.ndarray,
    *,
    known: pd.MultiIndex,
    n_top: int,
    n_runs: int,
    rng: int,
    options: dict[str, Any],
) -> pd.DataFrame:
    """Train on all pairs of the prior and score every factor × gene of the data.

    Returns
    -------
    DataFrame
        ``tf``, ``target``, ``score``, ``stability``: the ``n_top`` best targets of each factor by the mean score of the runs and the
        ``known`` ones, best first; ``stability`` is the share of runs that have the edge among their own ``n_top``, NaN with one run.
    """
    if missing(method, inputs):
        msg = f"{method} needs expression of the data, and no matrix of the AnnData fits. Put counts into adata.layers['counts']."
        raise GraphError(msg)
    runs = [fit(method, inputs, inputs.pairs, None, rng + r, **options) for r in range(n_runs)]
    parts = []
    n_blocks = -(-len(tfs) // max(1, BLOCK // max(1, len(inputs.genes))))
    for block in progress(_blocks(tfs, inputs.genes), total=n_blocks, what="score pairs", unit="block"):
        scores = np.stack([_probability(method, run.score(block)) for run in runs])  # (n_runs, n_pairs)
        shape = (len(runs), -1, len(inputs.genes))
        itself = (block["tf"] == block["target"]).to_numpy()
        scores[:, itself] = np.nan  # no factor is its own target here
        kept = [_top(s, n_top) for s in scores.reshape(shape)]  # per run: bool (n_tfs, n_genes)
        mean = scores.mean(axis=0)
        best = _top(mean.reshape(shape[1:]), n_top).ravel()
        best |= pd.MultiIndex.from_frame(block).isin(known) & np.isfinite(mean)
        stability = np.mean(kept, axis=0).ravel() if n_runs > 1 else np.full(len(mean), np.nan)
        parts.append(block[best].assign(score=mean[best], stability=stability[best]))
    edges = pd.concat(parts, ignore_index=True)
    return edges.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def _blocks(tfs: np.ndarray, genes: np.ndarray) -> Iterator[pd.DataFrame]:
    step = max(1, BLOCK // max(1, len(genes)))
    for start in range(0, len(tfs), step):
        some = tfs[start : start + step]
        yield pd.DataFrame({"tf": np.repeat(some, len(genes)), "target": np.tile(genes, len(some))})


def _probability(method: str, score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score)) if PREDICTORS[method].log_odds else score


def _top(score: np.ndarray, n_top: int) -> np.ndarray:
    """Mark the best targets of each factor: bool (n_tfs, n_genes); pairs without score never."""
    filled = np.where(np.isnan(score), -np.inf, score)
    keep = np.zeros(score.shape, dtype=bool)
    order = np.argsort(-filled, axis=1, kind="stable")[:, :n_top]
    np.put_along_axis(keep, order, True, axis=1)
    return keep & np.isfinite(filled)


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
    return f"{method} {word} the best baseline: AUPRC {own:.3f}, {best} {others[best]:.3f}, chance {table.loc[method, 'density']:.3f}"
