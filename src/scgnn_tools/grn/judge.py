"""Scores of the same pairs beside each other, and beside what counting makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError
from scgnn_tools._html import boxed
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.grn.evaluate import short, verdict
from scgnn_tools.links import PREDICTORS, link_predictor
from scgnn_tools.metrics import grn as grn_metrics

FOLDS = 5
COUNTING = ("degree", "collaborative")
MOST = {"degree": 2**24, "collaborative": 2**19}
"""Pairs above which a baseline takes minutes and is left out."""

SHOWN = ["auroc", "auprc", "auprc_ratio", "epr", "auroc_per_tf", "auprc_per_tf", "n", "n_positive"]


@dataclass(frozen=True)
class GrnEvaluation:
    """How good edges are.

    Attributes
    ----------
    table
        A row for the edges and each baseline: the metrics of :func:`scgnn_tools.metrics.grn`, ``kind``, ``uses``, ``status``.
    pairs
        The judged pairs: ``tf``, ``target``, ``label``, and a column of scores for each row of the table.
    candidates
        Which pairs are judged.
    verdict
        One sentence for each set of edges: does it beat the best baseline?
    response
        Of perturbed cells, see :func:`scgnn_tools.grn.response.response`, with ``factor`` by name; None without any.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame
    candidates: str
    verdict: str
    response: pd.DataFrame | None = None

    def __repr__(self) -> str:
        shown = self.table[SHOWN].astype({"n": int, "n_positive": int})
        said = f"{shown.to_string(float_format=short)}\ncandidates: {self.candidates}\n{self.verdict}"
        return said if self.response is None else f"{said}\n{self.response.to_string(index=False, float_format=short)}"

    def _repr_html_(self) -> str:
        facts = {"verdict": self.verdict, "candidates": self.candidates}
        tables = {"scores": self.table[SHOWN].round(4), "all columns": self.table}
        tables |= {} if self.response is None else {"perturbed cells": self.response.round(4)}
        return boxed("evaluation of a network", facts, tables)


def judge(
    pairs: pd.DataFrame,
    scores: Mapping[str, np.ndarray],
    *,
    candidates: str,
    train: pd.DataFrame | None = None,
    also: Mapping[str, np.ndarray] | None = None,
    bootstrap: int = 200,
    rng: RNG = 0,
) -> GrnEvaluation:
    """Put scores beside each other and beside what counting reaches.

    Parameters
    ----------
    pairs
        ``tf``, ``target``, ``label``.
    scores
        A score a pair, by name.
    candidates
        Which pairs they are.
    train
        Labelled pairs that the counting baselines learn from; None lets them learn from the other four fifths of ``pairs``.
    also
        Scores of other baselines, by the name of the predictor.
    bootstrap, rng
        Of the intervals.
    """
    number = seed(rng)
    # a set of edges may be called like a baseline, of which there is another fit
    scores = {f"{n} (edges)" if n in {*COUNTING, *(also or {})} else n: s for n, s in scores.items()}
    from_train = train is not None and "label" in train and train["label"].nunique() == 2
    learnt = "training pairs" if from_train else f"the other {FOLDS - 1} of {FOLDS} parts of these pairs"
    columns: dict[str, np.ndarray] = dict(scores)
    rows = {name: {"kind": "edges", "uses": "", "status": "ok"} for name in scores}
    for name in COUNTING:
        few = len(pairs) <= MOST[name]
        score = _counted(name, pairs, train if from_train else None, number) if few else np.full(len(pairs), np.nan)
        status = "ok" if few else f"left out: more than {MOST[name]:,} pairs"
        columns[name], rows[name] = score, {"kind": "baseline", "uses": f"labels of {learnt}", "status": status}
    for name, score in (also or {}).items():
        columns[name] = score
        rows[name] = {"kind": "baseline", "uses": PREDICTORS[name].uses, "status": "ok"}
    label, tf = pairs["label"].to_numpy(), pairs["tf"].to_numpy()
    metrics = {n: grn_metrics(label, s, tf, bootstrap=bootstrap, rng=number) for n, s in columns.items()}
    table = pd.DataFrame.from_dict({n: {**rows[n], **metrics[n]} for n in columns}, orient="index")
    said = [verdict(table.drop(index=[o for o in scores if o != n]), n, "ok", label, columns, tf) for n in scores]
    return GrnEvaluation(table, pairs.assign(**columns), candidates, "\n".join(said))


def _counted(name: str, pairs: pd.DataFrame, train: pd.DataFrame | None, rng: int) -> np.ndarray:
    if train is not None:
        return link_predictor(name).fit(train).score(pairs)
    fold = generator(rng).permutation(len(pairs)) % FOLDS
    out = np.full(len(pairs), np.nan)
    for f in progress(range(FOLDS), total=FOLDS, what=name, unit="fold"):
        rest = pairs[fold != f]
        if rest["label"].nunique() < 2:
            msg = f"The truth has {int(pairs['label'].sum())} edges among {len(pairs):,} pairs: too few to judge edges by."
            raise GraphError(msg)
        out[fold == f] = link_predictor(name).fit(rest).score(pairs[fold == f])
    return out
