"""From collected data to a network: evaluated, calibrated, scored by group, each edge described."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scgnn_tools
from scgnn_tools._choices import choice
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._html import boxed
from scgnn_tools._log import are, counted, duration, say
from scgnn_tools.grn.calibration import calibrate, probability
from scgnn_tools.grn.cell_side import cell_side
from scgnn_tools.grn.collect import Data
from scgnn_tools.grn.columns import of_data
from scgnn_tools.grn.estimate import estimate, of_cells
from scgnn_tools.grn.evaluate import evaluate
from scgnn_tools.grn.given import IN
from scgnn_tools.grn.runs import joins
from scgnn_tools.grn.said import cells_said, predicts
from scgnn_tools.grn.score import Group, is_by_group, joined, networks, run_names
from scgnn_tools.grn.signs import signs
from scgnn_tools.links import PREDICTORS, link_predictor
from scgnn_tools.splits import SPLITS
from scgnn_tools.store import RunFolder, digest

EDGE, OF_RUNS = ["group", "tf", "target", "score"], ["known", "stability"]


@dataclass(frozen=True)
class Network:
    """What an inference says.

    Attributes
    ----------
    edges
        ``group`` ("" without groups), ``tf``, ``target``, ``score``, then what is known of each edge; best first.
    evaluation
        The method and its baselines on the same held-out pairs, the calibration, what the cells add and how far they are to be trusted, a
        verdict in words.
    new_factors
        ``tf``, ``target``, ``data_score`` of factors that the prior does not know, by the cells alone.
    regulons
        ``group``, ``tf``, ``n_targets``, ``specificity``, ``expression`` of regulons in groups; empty without groups.
    interrupted
        Whether Ctrl-C ended the trainings: the scores are those until then.
    n_finished
        Trainings that scored all pairs: fewer than were asked for if Ctrl-C ended them, or if another says nothing new.
    n_scored
        Transcription factors that were scored; the others are those of ``new_factors``.
    """

    edges: pd.DataFrame
    evaluation: dict[str, Any]
    new_factors: pd.DataFrame
    regulons: pd.DataFrame
    interrupted: bool = False
    n_finished: int = 0
    n_scored: int = 0

    def __repr__(self) -> str:
        facts = ", ".join(f"{n:,} {what}" for what, n in self._sizes().items())
        return f"Network({facts})\n{self.evaluation.get('verdict', '')}".rstrip()

    def _repr_html_(self) -> str:
        facts: dict[str, Any] = {**self._sizes(), "verdict": self.evaluation.get("verdict", "")}
        if self.evaluation.get("cells"):
            facts["the cells"] = self.evaluation["cells"]
        folded = {
            "best edges": self.edges.head(20),
            "evaluation": self.evaluation.get("table", pd.DataFrame()).round(4),
            "regulons of groups": self.regulons,
        }
        return boxed("Network", facts, {name: table for name, table in folded.items() if len(table)})

    def _sizes(self) -> dict[str, int]:
        """Return how many edges, factors and targets there are, and pairs and groups where there are several groups."""
        groups = self.edges["group"].nunique()
        pairs = {"pairs": len(self.edges.drop_duplicates(["tf", "target"]))} if groups > 1 else {}
        out = {
            "edges (pair × group)" if groups > 1 else "edges": len(self.edges),
            **pairs,
            "transcription factors": self.edges["tf"].nunique(),
            "targets": self.edges["target"].nunique(),
        }
        return out | ({"groups": groups} if groups > 1 else {})


def infer(
    data: Data,
    groups: list[Group],
    *,
    method: str,
    options: dict[str, Any],
    split: str,
    n_top: int,
    n_runs: int,
    rng: int,
    store: Path | None = None,
    controls: bool = True,
    keep_new: bool = False,
) -> Network:
    """Evaluate a method on the prior, train it on the whole prior, score every transcription factor × gene, and join what the cells say.

    Parameters
    ----------
    data
        What :func:`scgnn_tools.grn.collect.collect` returned.
    groups
        One for all cells, or several that get a network each.
    method, options
        A link predictor, and its options as :func:`check_options` returned them.
    split
        What the evaluation holds back.
    n_top, n_runs
        Targets kept of each factor, and trainings whose mean is the score.
    rng
        Seed.
    store
        Folder of finished runs.
    controls
        Whether permuted cells, rewired networks and recovery at equal degree are evaluated too.
    keep_new
        Whether a method that learns from the prior ranks factors that the prior does not know.
    """
    join = joins(method, options)
    inputs = replace(data.inputs, expression=None) if join else data.inputs  # the cells are the other side
    rows = _ranked(data, method, keep_new=keep_new)
    tfs = data.tfs[rows]
    kept = RunFolder(store, _plan(data, tfs, groups, method, options, rng))
    runs = run_names(method, groups, n_runs, options)
    judged = f"evaluation-{split}" if controls else f"evaluation-{split}-without-controls"
    _announce(
        data, tfs, method, options, [judged, "calibration"], runs, kept, rng, controls=controls, groups=len(groups) > 1
    )
    evaluation = kept.record(
        judged, lambda: evaluate(data.inputs, method, split=split, rng=rng, options=options, controls=controls)
    )
    evaluation["calibration"] = kept.record("calibration", lambda: calibrate(inputs, method, rng=rng, options=options))
    every = cell_side(
        data.inputs.expression, data.inputs.genes, data.tfs, data.known, groups, halved=controls and join, rng=rng
    )
    new, regulons = pd.DataFrame({"tf": [], "target": [], "data_score": []}), pd.DataFrame()
    if every is not None and not rows.all():
        unranked = np.flatnonzero(~rows)
        new = every.unknown(data.tfs, data.inputs.genes, unranked, n_top=n_top, allowed=data.allowed(data.tfs))
    side = None if every is None else every.take(np.flatnonzero(rows))
    measured = None if every is None else every.tfs
    every = None  # before the groups: it holds more factors than are ranked
    side = None if side is None else side.by_group(measured, rng=rng)
    scored = networks(
        inputs, method, tfs, groups, known=data.known, n_top=n_top, n_runs=n_runs, rng=rng, options=options, store=kept,
        added=None if side is None else side.added(join=join), allowed=data.allowed(tfs),
    )  # fmt: skip
    edges, mean = scored.edges, scored.mean
    evaluation["controls"] = controls
    if side is not None:
        evaluation |= {"reliability": side.reliability(), "ratio": side.ratios()}
        if join and mean is not None:
            regulons = side.regulons(tfs)
        if controls and join and mean is not None:
            side = replace(side, of_group=[])  # the controls are of all cells, and need the room
            evaluation |= side.controls(mean, n_top=n_top, rng=rng)
            evaluation["verdict"] += f"; {predicts(evaluation['held_out'])}"
    evaluation["cells"] = cells_said(evaluation, join=join)
    edges = _described(edges, data, groups, method, evaluation, join=join)
    return Network(edges, evaluation, new, regulons, scored.interrupted, scored.n_finished, len(tfs))


def _ranked(data: Data, method: str, *, keep_new: bool) -> np.ndarray:
    """Say which factors are ranked: if a method learns from the prior, those that the prior knows; all if it knows none."""
    known = np.isin(data.tfs, data.known["tf"].unique())
    return known if PREDICTORS[method].learns and not keep_new and known.any() else np.ones(len(data.tfs), dtype=bool)


def check_options(method: str, given: Mapping[str, Any] | None, device: str, split: str) -> dict[str, Any]:
    """Return the options of the method; a wrong name is an error before any work."""
    choice("split", split, tuple(SPLITS))
    given = dict(given or {})
    for name in {"rng", "device"} & set(given):
        msg = f"{name} is no option of the method; pass {name}= to infer_grn instead."
        raise InputValueError(msg)
    options = {**given, "device": device}
    resolve_device(device)
    link_predictor(method, **options)
    return options


def _plan(
    data: Data, tfs: np.ndarray, groups: list[Group], method: str, options: dict[str, Any], number: int
) -> dict[str, str]:
    """Return what decides the scores of a run, for the store."""
    inputs = data.inputs
    expression = () if inputs.expression is None else (inputs.expression.X, inputs.expression.var_names)
    by_group = groups if is_by_group(method, groups, options) else []
    return {
        "version": scgnn_tools.__version__,
        "method": method,
        "method_options": ", ".join(f"{k}={word(v)}" for k, v in sorted(options.items()) if k != "device"),
        "rng": str(number),
        "prior": digest(inputs.pairs),
        "gene vectors": digest(inputs.embedding),
        "genes and factors": digest(inputs.genes, tfs),
        "expression": digest(*expression),
        "groups": digest(
            *(part for g in by_group for part in (g.name, np.asarray(g.cells)))
        ),  # else trained once, for any groups
    } | _times(method, data, options)


def _announce(
    data: Data,
    tfs: np.ndarray,
    method: str,
    options: dict[str, Any],
    judged: list[str],
    runs: list[str],
    store: RunFolder,
    number: int,
    *,
    controls: bool,
    groups: bool,
) -> None:
    """Say how long it will take: a training for each result that the store lacks, and for each of ``runs`` a scoring of all pairs."""
    names = [*judged, *runs]
    todo = [n for n in names if not store.has(n)]
    known = int(data.inputs.pairs["label"].sum())
    size = (
        f"{counted(len(data.inputs.pairs), 'pair')} of the prior to learn from ({counted(known, 'known edge')}, and pairs without "
        f"one), then {counted(len(tfs), 'transcription factor')} × {len(data.inputs.genes):,} genes of the data to score"
    )
    if not todo:
        say(f"infer_grn: {size}; all {len(names)} trainings of {method} are in the store")
        return
    blind, scored = joins(method, options), sum(n in todo for n in runs)
    seconds = estimate(
        data.inputs, method, tfs, n_fits=len(todo), n_scored=scored, blind=blind, rng=number, options=options
    )
    if seconds is not None and data.inputs.expression is not None:
        n_cells = data.inputs.expression.n_obs
        seconds += of_cells(n_cells, len(data.tfs), len(data.inputs.genes), controls=controls and blind, groups=groups)
    about = "too few to time" if seconds is None else f"about {duration(max(1.0, seconds))} (timed on a part)"
    n_kept = len(names) - len(todo)
    there = f" ({n_kept} more {are(n_kept)} in the store)" if n_kept else ""
    say(f"infer_grn: {size}, {counted(len(todo), 'training')} of {method}{there}: {about}")


def _described(
    edges: pd.DataFrame, data: Data, groups: list[Group], method: str, evaluation: dict[str, Any], *, join: bool
) -> pd.DataFrame:
    """Return the edges with probability, sign and evidence; what the method itself says comes last, or in place of it."""
    seen = of_data(edges, data.inputs.expression, data.inputs.embedding, groups)
    for name in ("data_score", "log_ratio", "z", "coherence"):
        if name not in edges:
            edges[name] = np.nan
    told = signs(edges["mode"].to_numpy(), seen["correlation"].to_numpy(), edges["z"].to_numpy())
    before = edges.assign(score=edges["prior_score"]) if join else edges
    chance = probability(before, method, evaluation["calibration"], data.inputs.pairs["tf"].unique())
    if join:
        chance = joined(chance, np.nan_to_num(edges["log_ratio"].to_numpy()))
    is_tf = edges["tf"].isin(data.listed)
    out = pd.concat([edges[EDGE].assign(probability=chance, is_tf=is_tf), edges[OF_RUNS], told, seen], axis=1)
    new = [c for c in edges.columns.drop("mode") if c not in out]
    return pd.concat([out, _sources(edges, data.known), edges[new]], axis=1)


def _sources(edges: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return which of several priors have each edge, a bool column each; none of one prior."""
    of = [c for c in known if str(c).startswith(IN)]
    told = known.set_index(["tf", "target"])[of]
    told = told[~told.index.duplicated()].reindex(pd.MultiIndex.from_frame(edges[["tf", "target"]]), fill_value=False)
    return told.set_index(edges.index)


def word(option: Any) -> str:
    """Return an option as text that tells it from all others: numpy and pandas leave out the middle of what is long."""
    return digest(option) if isinstance(option, np.ndarray | pd.Series | pd.Index | pd.DataFrame) else repr(option)


def _times(method: str, data: Data, options: dict[str, Any]) -> dict[str, str]:
    """Return what the column of ``obs`` holds that a method which goes by time reads; nothing if it reads none."""
    column, cells = options.get("pseudotime"), data.inputs.expression
    if not PREDICTORS[method].timed or not isinstance(column, str) or cells is None or column not in cells.obs:
        return {}
    return {"times of the cells": digest(cells.obs[column])}
