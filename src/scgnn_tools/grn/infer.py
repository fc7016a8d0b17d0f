"""From collected data to a network: evaluated, calibrated, scored by group, each edge described."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scgnn_tools
from scgnn_tools._choices import choice
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import duration, say
from scgnn_tools.grn.calibration import calibrate, probability
from scgnn_tools.grn.collect import Data
from scgnn_tools.grn.columns import of_data
from scgnn_tools.grn.estimate import estimate
from scgnn_tools.grn.evaluate import evaluate
from scgnn_tools.grn.score import Group, is_by_group, networks, run_names
from scgnn_tools.grn.signs import signs
from scgnn_tools.links import link_predictor
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
        The method and its baselines on the same held-out pairs, the calibration, a verdict in words.
    """

    edges: pd.DataFrame
    evaluation: dict[str, Any]


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
) -> Network:
    """Evaluate a method on the prior, train it on the whole prior, and score every factor × gene of the data.

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
    """
    kept = RunFolder(store, _plan(data, groups, method, options, rng))
    runs = run_names(method, groups, n_runs)
    _announce(data, method, options, [f"evaluation-{split}", "calibration", *runs], kept, rng)
    evaluation = kept.record(
        f"evaluation-{split}", lambda: evaluate(data.inputs, method, split=split, rng=rng, options=options)
    )
    evaluation["calibration"] = kept.record(
        "calibration", lambda: calibrate(data.inputs, method, rng=rng, options=options)
    )
    edges = networks(
        data.inputs, method, data.tfs, groups, known=data.known, n_top=n_top, n_runs=n_runs, rng=rng, options=options, store=kept,
    )  # fmt: skip
    return Network(_described(edges, data, groups, method, evaluation), evaluation)


def check_options(method: str, given: Mapping[str, Any] | None, device: str, split: str) -> dict[str, Any]:
    """Return the options of the method; a wrong name is an error before any work."""
    choice("split", split, tuple(SPLITS))
    given = dict(given or {})
    for name in {"rng", "device"} & set(given):
        msg = f"{name} is no option of the method; pass {name}= to infer_grn instead."
        raise InputValueError(msg)
    options = {**given, "device": device}
    link_predictor(method, **options)
    return options


def _plan(data: Data, groups: list[Group], method: str, options: dict[str, Any], number: int) -> dict[str, str]:
    """Return what decides the scores of a run, for the store."""
    inputs = data.inputs
    expression = () if inputs.expression is None else (inputs.expression.X, inputs.expression.var_names)
    by_group = groups if is_by_group(method, groups) else []
    return {
        "version": scgnn_tools.__version__,
        "method": method,
        "method_options": ", ".join(f"{k}={v!r}" for k, v in sorted(options.items()) if k != "device"),
        "rng": str(number),
        "prior": digest(inputs.pairs),
        "gene vectors": digest(inputs.embedding),
        "genes and factors": digest(inputs.genes, data.tfs),
        "expression": digest(*expression),
        "groups": digest(
            *(part for g in by_group for part in (g.name, np.asarray(g.cells)))
        ),  # else trained once, for any groups
    }


def _announce(
    data: Data, method: str, options: dict[str, Any], names: list[str], store: RunFolder, number: int
) -> None:
    """Say how long it will take: a training for each of the results called ``names`` that the store does not have."""
    todo = [n for n in names if not store.has(n)]
    size = f"{len(data.inputs.pairs):,} pairs to learn from, {len(data.tfs):,} × {len(data.inputs.genes):,} to score"
    if not todo:
        say(f"infer_grn: {size}; all {len(names)} trainings of {method} are in the store")
        return
    seconds = estimate(data.inputs, method, data.tfs, n_fits=len(todo), rng=number, options=options)
    about = "too few to time" if seconds is None else f"about {duration(max(1.0, seconds))} (timed on a part)"
    there = f" ({len(names) - len(todo)} more are in the store)" if len(todo) < len(names) else ""
    say(f"infer_grn: {size}, {len(todo)} trainings of {method}{there}: {about}")


def _described(
    edges: pd.DataFrame, data: Data, groups: list[Group], method: str, evaluation: dict[str, Any]
) -> pd.DataFrame:
    """Return the edges with probability, sign and evidence; what the method itself says comes last, or in place of it."""
    seen = of_data(edges, data.inputs.expression, data.inputs.embedding, groups)
    told = signs(edges["mode"].to_numpy(), seen["correlation"].to_numpy())
    chance = probability(edges, method, evaluation["calibration"], data.inputs.pairs["tf"].unique())
    out = pd.concat([edges[EDGE].assign(probability=chance), edges[OF_RUNS], told, seen], axis=1)
    new = [c for c in edges.columns.drop("mode") if c not in out]
    return pd.concat([out, edges[new]], axis=1)
