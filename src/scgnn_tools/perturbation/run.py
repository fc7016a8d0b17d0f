"""Evaluate a method beside its baselines on held-out perturbations, and predict those that were asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import sequence
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.conditions import Condition, genes_of
from scgnn_tools.data.order import largest_first
from scgnn_tools.perturbation._protocol import Judging, PerturbationMethod, PerturbedCells
from scgnn_tools.perturbation._registry import METHODS, entry, perturbation_method
from scgnn_tools.perturbation.changes import Changes, changes
from scgnn_tools.perturbation.evaluation import (
    CEILING,
    Scores,
    effects,
    held_out,
    items,
    paired,
    summary,
    verdict,
)
from scgnn_tools.perturbation.inputs import Screen
from scgnn_tools.perturbation.relations import Relations
from scgnn_tools.perturbation.signal import signal
from scgnn_tools.perturbation.split import make_split
from scgnn_tools.splits.perturbations import OVER_GROUPS

TOP = 20
"""Genes of each condition that the table for figures holds."""


@dataclass(frozen=True)
class Evaluated:
    """What was found on held-out perturbations; tables as :func:`scgnn_tools.tl.perturb` describes them."""

    split: pd.DataFrame
    kind: str
    evaluation: pd.DataFrame
    with_signal: pd.DataFrame | None
    subgroups: pd.DataFrame | None
    per_condition: pd.DataFrame
    signal: pd.DataFrame
    paired: pd.DataFrame
    top: pd.DataFrame
    predictions: pd.DataFrame
    verdict: str
    scores: Scores


def check(
    method: str, options: dict[str, Any], *, model: Any = None, features: Any = ()
) -> Callable[[], PerturbationMethod]:
    """Return what makes the method; a wrong name or option is an error before any work. A network tunes the loaded ``model``."""
    network = entry(method).needs == "cells" and not isinstance(model, str)
    if network and model is not None:
        options = {"model": model, **options}
    elif model is not None and (isinstance(features, pd.DataFrame) or "vectors" not in sequence("features", features)):
        msg = (
            f"model={printable(repr(model))} would not be read: it gives gene vectors to features='vectors', and a network as method= "
            "tunes a loaded one. Pass features=['go', 'vectors'], or leave model= out."
        )
        raise InputValueError(msg)
    perturbation_method(method, **options)
    return partial(perturbation_method, method, **options)


def baselines(cells: Screen, kind: str) -> list[str]:
    """Return the baselines that differ from each other here."""
    combos, seen = any(len(c) > 1 for c in cells.conditions), kind in (*OVER_GROUPS, "unseen_dose")
    there = {"": True, "combinations": combos, "seen": combos or seen}
    return [name for name, e in METHODS.items() if e.kind == "baseline" and there[e.when]]


def evaluate(
    cells: Screen,
    method: str,
    make: Callable[[], PerturbationMethod],
    relations: Relations,
    *,
    kind: str,
    n_halves: int,
    rng: RNG,
) -> Evaluated:
    """Hold conditions out, and score the method and its baselines."""
    split = make_split(cells, kind, seed(rng))
    of = items(cells, split)
    names = baselines(cells, kind)
    methods: dict[str, Callable[[], PerturbationMethod]] = {method: make}
    methods |= {n: partial(perturbation_method, n) for n in names if n != method}
    if "kernel" not in methods and entry(method).needs == "cells":
        methods["kernel"] = partial(perturbation_method, "kernel")
    with_cells = entry(method).needs == "cells"
    scores = held_out(cells, of, methods, relations, n_halves=n_halves, with_cells=with_cells, rng=seed(rng))
    kinds = {m: "method" if m == method else "baseline" for m in methods} | {CEILING: CEILING}
    tested = of.tested
    all_cells = changes(cells, of.code, len(of.names))
    agreement = np.full(len(of.names), np.nan)
    agreement[tested] = scores.table.loc[CEILING, "pearson_delta"].to_numpy()
    strength = signal(cells, of.code, all_cells, agreement, rng=seed(rng))
    strength.index = pd.Index(of.names, name="condition")
    has = strength["has_signal"].to_numpy()[tested]
    whole = summary(scores.table, kinds, rng=seed(rng))
    others = [m for m in methods if m != method]
    differences = paired(scores.table, method, others, rng=seed(rng))
    return Evaluated(
        split=split,
        kind=kind,
        evaluation=whole,
        with_signal=summary(scores.table, kinds, has, rng=seed(rng)) if 0 < has.sum() < len(has) else None,
        subgroups=_by_subgroup(scores.table, kinds, of.subgroup[tested]),
        per_condition=scores.table.reset_index(),
        signal=strength.iloc[tested],
        paired=differences,
        top=_top(all_cells, scores, [of.names[i] for i in tested], tested, cells, of.conditions),
        predictions=pd.DataFrame(scores.predicted[method], index=[of.names[i] for i in tested], columns=cells.genes),
        verdict=verdict(whole, differences, method),
        scores=scores,
    )


def _by_subgroup(table: pd.DataFrame, kinds: dict[str, str], subgroup: np.ndarray) -> pd.DataFrame | None:
    """Return a summary a subgroup, one below the other; None where there is one."""
    found = sorted(set(subgroup))
    if len(found) < 2:
        return None
    parts = [
        summary(table, kinds, subgroup == name).assign(subgroup=name).rename_axis("method").reset_index()
        for name in found
    ]
    return pd.concat(parts, ignore_index=True)


def _top(
    found: Changes, scores: Scores, names: list[str], tested: np.ndarray, cells: Screen, conditions: list[Condition]
) -> pd.DataFrame:
    """Return the most changed genes of each tested item, the perturbed ones left out, and what each method said of them."""
    parts = []
    for row, (name, i) in enumerate(zip(names, tested, strict=True)):
        rank = np.abs(found.t[i]) * ~np.isin(cells.called, genes_of(conditions[i]))
        some = largest_first(rank, cells.genes)[:TOP]
        about = {
            "condition": name,
            "gene": cells.genes[some],
            "change": found.change[i, some],
            "error": found.error[i, some],
        }
        about |= {m: x[row, some] for m, x in scores.predicted.items()}
        parts.append(pd.DataFrame(about))
    return pd.concat(parts, ignore_index=True)


def predict(
    cells: Screen, make: Callable[[], PerturbationMethod], relations: Relations, query: list[Condition], *, rng: RNG
) -> tuple[np.ndarray, PerturbationMethod]:
    """Return the changes of perturbations that were asked for, from all cells, and the fitted method."""
    split = pd.DataFrame({"fold": 0, "condition": cells.names, "group": "", "part": "train", "subgroup": ""})
    of = items(cells, split)
    method = make()
    seen = effects(
        changes(cells, of.code, len(of.names)),
        of,
        cells.called,
        relations,
        PerturbedCells(cells.expression, of.code, cells.stratum),
    )
    method.fit(seen, rng=seed(rng))
    return method.predict(query), method


def unrelated(name: str, fitted: PerturbationMethod, query: list[Condition]) -> np.ndarray | None:
    """Return which conditions are unlike all that the method saw, bool (n_conditions,); None if it does not judge that."""
    return cast("Judging", fitted).unrelated(query) if entry(name).judges else None
