"""Evaluate a method beside its baselines on held-out perturbations, and predict those that were asked for."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, sequence
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.conditions import (
    Condition,
    dose_of,
    gene_of,
    genes_of,
    is_control,
    one_spelling,
    parse_conditions,
)
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
from scgnn_tools.perturbation.features import check_features, collect_relations
from scgnn_tools.perturbation.inputs import Screen, screen
from scgnn_tools.perturbation.relations import Relations
from scgnn_tools.perturbation.signal import signal
from scgnn_tools.splits import split_perturbations
from scgnn_tools.splits.perturbations import KINDS, OVER_GROUPS

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel

MOST_LEFT_OUT = 30
"""Perturbed genes up to which each is left out by itself."""

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


def check_split(split: str) -> None:
    """Refuse an unknown kind of split, before anything is read."""
    choice("split", split, ("auto", *KINDS))


def chosen_split(cells: Screen, split: str, rng: RNG) -> str:
    """Return the kind of split; "auto" looks at what there is."""
    if split != "auto":
        return split
    genes = {g for c in cells.conditions for g in genes_of(c)}
    if len(genes) < 2:
        if len(cells.conditions) > 1:
            return "unseen_dose"
        if len(set(cells.cell_type)) == len(set(cells.batch)) == 1:
            msg = (
                f"One thing was done to these cells, {printable(cells.names[0])}, and nothing can be held out. Pass cell_type_key= or "
                "batch_key= to hold a group out; or evaluate=False."
            )
            raise InputValueError(msg)
        return "unseen_cell_type" if len(set(cells.cell_type)) > 1 else "unseen_batch"
    if any(len(c) > 1 for c in cells.conditions):
        with suppress(InputValueError):  # of very few conditions nothing may be left to train on
            make_split(cells, "simulation", seed(rng))
            return "simulation"
    return "leave_one_out" if len(genes) <= MOST_LEFT_OUT else "unseen"


def make_split(cells: Screen, kind: str, rng: RNG) -> pd.DataFrame:
    """Return the split of the screen's conditions; where groups are held out, of those that have cells there."""
    if kind not in OVER_GROUPS:
        return split_perturbations(cells.conditions, kind, rng=rng)  # type: ignore[arg-type]
    group = cells.cell_type if kind == "unseen_cell_type" else cells.batch
    own = cells.condition >= 0
    table = pd.DataFrame({"condition": cells.condition[own], "group": group[own]}).value_counts().reset_index()
    enough = table[table["count"] >= 4].sort_values(["condition", "group"])
    return split_perturbations(
        [cells.conditions[i] for i in enough["condition"]],
        kind,  # type: ignore[arg-type]
        groups=enough["group"].to_numpy(),
    )


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


def asked(query: "str | Sequence[Any] | None", control: str, *, dosed: bool = False) -> list[Condition]:
    """Return the conditions that a user asks for, each once; ``dosed`` ones say how much, "A@10"."""
    if query is None:
        return []
    values = sequence("query", query)
    out = parse_conditions(values, control=control)
    for value, condition in zip(values, out, strict=True):
        if not condition or all(is_control(g) for g in condition):
            msg = f"query={printable(repr(value))} names no perturbed gene. Pass genes, or combinations such as 'A+B'."
            raise InputValueError(msg)
        if dosed and any(dose_of(g) is None for g in condition):
            gene = printable(condition[0].partition("@")[0]) or "A"
            msg = f"query={printable(repr(value))} names no dose, and dose_key= does. Ask for one, such as {gene}@10."
            raise InputValueError(msg)
    return list(dict.fromkeys(one_spelling(c) if dosed else c for c in out if c))


def collect(
    adata: "AnnData",
    perturbation_key: str,
    query: "str | Sequence[Any] | None",
    *,
    features: Any,
    dose_key: str | None,
    gene_key: str | None,
    model: "str | FoundationModel | None",
    **how: Any,
) -> tuple[Screen, list[Condition], Relations]:
    """Return the screen, the conditions that are asked for, and how all of them are related; ``how`` is for :func:`screen`."""
    check_features(features, adata)
    cells = screen(adata, perturbation_key, dose_key=dose_key, gene_key=gene_key, **how)
    wanted = asked(query, cells.params["control"], dosed=dose_key is not None)
    if not any(dose_of(g) for c in cells.conditions for g in c) and (
        doses := [g for c in wanted for g in c if dose_of(g)]
    ):
        said = printable(doses[0])
        msg = f"query= asks for {said!r}, and no cell has a dose. Pass dose_key=, the column of doses; or ask for {gene_of(said)}."
        raise InputValueError(msg)
    known = collect_relations(adata, [*cells.conditions, *wanted], features, gene_key=gene_key, model=model)
    return replace(cells, wanted=tuple(wanted)), wanted, known


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
