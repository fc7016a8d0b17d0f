"""Perturbations that a method learns from, and those that it has to predict."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer, listed, share
from scgnn_tools._columns import without_value
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError, LeakageError
from scgnn_tools._log import as_text, printable
from scgnn_tools._random import RNG, generator
from scgnn_tools.data.conditions import (
    Condition,
    condition_name,
    dose_of,
    find_control,
    genes_of,
    is_control,
    parse_conditions,
)

PerturbationSplit = Literal[
    "unseen", "leave_one_out", "unseen_combo", "simulation", "unseen_cell_type", "unseen_batch", "unseen_dose"
]
KINDS = ("unseen", "leave_one_out", "unseen_combo", "simulation", "unseen_cell_type", "unseen_batch", "unseen_dose")
OVER_GROUPS = ("unseen_cell_type", "unseen_batch")


@door_of_arrays
def split_perturbations(
    conditions: Sequence[Any] | np.ndarray,
    kind: PerturbationSplit = "unseen",
    *,
    control: str = "auto",
    groups: Sequence[Any] | np.ndarray | None = None,
    n_folds: int = 5,
    train_share: float = 0.75,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Split perturbations into folds; a gene of a test condition is in no training condition, unless the kind says so.

    Parameters
    ----------
    conditions
        Of each cell, or each once: "A", "A+B", lists; the control may be among them.
    kind
        "unseen": genes in folds; a condition is tested where one of its genes is held out.
        "leave_one_out": a gene at a time. "unseen_combo": combinations in folds, single genes are all seen.
        "simulation": that of GEARS, one fold: ``train_share`` of the genes are seen, their single perturbations and as many of the
        combinations of two seen genes train. "unseen_cell_type", "unseen_batch": a group at a time; its conditions were seen in others.
        "unseen_dose": of conditions "A@10" a dose at a time, of genes or drugs that were seen at others. In every other kind all doses of
        a gene are held out together.
    control
        Name of the control; "auto" takes every usual name of one, and no control is no error.
    groups
        Cell type or batch of each entry of ``conditions``, for the last two kinds.
    n_folds
        Of "unseen" and "unseen_combo".
    train_share
        Of "simulation".
    rng
        Of the folds.

    Returns
    -------
    DataFrame
        ``fold``, ``condition`` ("A+B", genes sorted), ``group`` ("" without groups), ``part`` ("train", "test", or "left out": a
        condition that would give the answer away), ``subgroup`` of what is tested: GEARS' "unseen_single", "combo_seen0", "combo_seen1",
        "combo_seen2" by how many of its genes are in training, or "seen".

    Raises
    ------
    InputValueError
        If the kind is unknown, or there is too little to split.
    LeakageError
        If a test condition is in training, which would be a bug of ours.

    Examples
    --------
    >>> folds = sgt.splits.split_perturbations(["A", "B", "C", "A+B", "B+C", "control"], "unseen_combo", n_folds=2)
    >>> folds.columns.tolist()
    ['fold', 'condition', 'group', 'part', 'subgroup']
    """
    choice("kind", kind, KINDS)
    n_folds, train_share = integer("n_folds", n_folds, least=2), share("train_share", train_share)
    named = _without_control(conditions, control)
    draws = generator(rng)
    if kind in OVER_GROUPS:
        table = _by_group(named, groups, kind)
    elif kind == "unseen_dose":
        table = _by_dose(sorted({c for c in named if c}))
    else:
        found = sorted({c for c in named if c})
        tests = _tests(found, kind, n_folds, train_share, draws)
        tests = [t for t in tests if 0 < len(t) < len(found)]
        if not tests:
            msg = (
                f"kind={kind!r} leaves no condition to train on, or none to test, of these {len(found):,}: "
                f"{listed(map(condition_name, found))}. "
                "Take another kind, such as 'unseen_combo' where all are combinations of a few genes."
            )
            raise InputValueError(msg)
        table = pd.concat([_fold(i, found, test, kind) for i, test in enumerate(tests)], ignore_index=True)
    audit_perturbations(table)
    return table


@door_of_arrays
def audit_perturbations(split: pd.DataFrame) -> None:
    """Refuse a split that tests what it trains on: the same condition, or for a subgroup "unseen" a gene of it.

    Parameters
    ----------
    split
        As :func:`split_perturbations` returns it.

    Raises
    ------
    LeakageError
        The message names the condition.

    Examples
    --------
    >>> split = sgt.splits.split_perturbations(adata.obs["guide"], "leave_one_out")
    >>> sgt.splits.audit_perturbations(split)
    """
    for fold, own in split.groupby("fold"):
        train, test = own[own["part"] == "train"], own[own["part"] == "test"]
        seen = {(tuple(sorted(c.split("+"))), g) for c, g in zip(train["condition"], train["group"], strict=True)}
        genes = {g for c, _ in seen for g in genes_of(c)}
        for name, group, subgroup in zip(test["condition"], test["group"], test["subgroup"], strict=True):
            condition = tuple(sorted(name.split("+")))
            if (condition, group) in seen or subgroup not in ("seen", subgroup_of(condition, genes)):
                msg = f"Fold {fold}: {printable(name)!r} is tested, and it or a gene of it is in training."
                raise LeakageError(msg)


def subgroup_of(condition: Condition, seen: "set[str]") -> str:
    """Return GEARS' name for a condition by how many of its genes are in training."""
    genes = genes_of(condition)
    if len(genes) == 1:
        return "unseen_single" if genes[0] not in seen else "seen"
    return f"combo_seen{min(2, sum(g in seen for g in genes))}"


def _without_control(conditions: Sequence[Any] | np.ndarray, control: str) -> list[Condition | None]:
    """Return the conditions; with "auto" what has the name of a control is one, be there none or several."""
    found = "control" if control == "auto" else find_control(conditions, control)
    parsed = parse_conditions(conditions, control=found)
    return parsed if control != "auto" else [() if c and len(c) == 1 and is_control(c[0]) else c for c in parsed]


def _tests(
    found: list[Condition], kind: str, n_folds: int, train_share: float, draws: np.random.Generator
) -> list[set[Condition]]:
    """Return the conditions that each fold tests."""
    genes = sorted({g for c in found for g in genes_of(c)})
    combos = [c for c in found if len(c) > 1]
    if kind == "unseen_combo":
        if len(combos) < 2:
            msg = f"{len(combos)} conditions are combinations of genes; kind='unseen_combo' wants two at least. Take kind='unseen'."
            raise InputValueError(msg)
        parts = np.array_split(draws.permutation(len(combos)), min(n_folds, len(combos)))
        return [{combos[i] for i in part} for part in parts]
    if len(genes) < 2:
        msg = (
            f"{len(genes)} perturbed gene{'s' * (len(genes) != 1)}; at least 2 are wanted to hold one out. "
            "With several cell types take split='unseen_cell_type'."
        )
        raise InputValueError(msg)
    if kind == "simulation":
        return [_simulation(found, genes, train_share, draws)]
    n = len(genes) if kind == "leave_one_out" else min(n_folds, len(genes))
    order = np.arange(len(genes)) if kind == "leave_one_out" else draws.permutation(len(genes))
    held = [{genes[i] for i in part} for part in np.array_split(order, n)]
    return [{c for c in found if set(genes_of(c)) & h} for h in held]


def _simulation(
    found: list[Condition], genes: list[str], train_share: float, draws: np.random.Generator
) -> set[Condition]:
    n_seen = min(max(1, round(train_share * len(genes))), len(genes) - 1)  # one gene at least is unseen
    seen = {genes[i] for i in draws.permutation(len(genes))[:n_seen]}
    both = [c for c in found if len(c) > 1 and set(genes_of(c)) <= seen]
    train = {both[i] for i in draws.permutation(len(both))[: round(train_share * len(both))]}
    train |= {c for c in found if len(c) == 1 and set(genes_of(c)) <= seen}
    return set(found) - train


def _fold(number: int, found: list[Condition], test: "set[Condition]", kind: str) -> pd.DataFrame:
    train = [c for c in found if c not in test]
    seen = {g for c in train for g in genes_of(c)}
    rows = [
        (number, condition_name(c), "", "test" if c in test else "train", subgroup_of(c, seen) if c in test else "")
        for c in found
    ]
    return _table(rows)


def _by_group(named: list[Condition | None], groups: Sequence[Any] | np.ndarray | None, kind: str) -> pd.DataFrame:
    word = {"unseen_cell_type": "cell type", "unseen_batch": "batch"}[kind]
    if groups is None or len(groups) != len(named):
        msg = f"kind={kind!r} wants the {word} of each of the {len(named):,} conditions: pass groups=."
        raise InputValueError(msg)
    own = np.array([bool(c) for c in named])
    lacking = without_value(list(groups)) & own
    if 0 < lacking.sum() < own.sum():
        msg = f"{int(lacking.sum())} of {len(named):,} conditions are of no {word} (NaN or blank text) in groups=. Leave those out."
        raise InputValueError(msg)
    pairs = sorted({(c, g) for c, g in zip(named, as_text(groups), strict=True) if c})
    where = sorted({g for _, g in pairs})
    if len(where) < 2:
        msg = f"All perturbed cells are of one {word}; kind={kind!r} wants two at least."
        raise InputValueError(msg)
    rows = []
    for i, held in enumerate(where):
        elsewhere = {c for c, g in pairs if g != held}
        for c, g in pairs:
            part = "train" if g != held else "test" if c in elsewhere else "left out"
            rows.append((i, condition_name(c), g, part, "seen" if part == "test" else ""))
    return _table(rows)


def _by_dose(found: list[Condition]) -> pd.DataFrame:
    """Return a fold a dose; what is tested was seen at another one, and what was not is left out."""
    doses = sorted({d for c in found for g in c if (d := dose_of(g)) is not None})
    if len(doses) < 2:
        msg = f"{len(doses)} doses among the conditions; kind='unseen_dose' wants two at least, as 'A@1' and 'A@10'. Pass dose_key=."
        raise InputValueError(msg)
    rows = []
    for i, held in enumerate(doses):
        at = {c for c in found if held in {dose_of(g) for g in c}}
        elsewhere = {genes_of(c) for c in found if c not in at}
        for c in found:
            part = "train" if c not in at else "test" if genes_of(c) in elsewhere else "left out"
            rows.append((i, condition_name(c), "", part, "seen" if part == "test" else ""))
    tested = {r[0] for r in rows if r[3] == "test"}
    if not tested:
        msg = "No gene or drug was given at two doses; kind='unseen_dose' wants one at least. Take kind='unseen'."
        raise InputValueError(msg)
    return _table([r for r in rows if r[0] in tested])


def _table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["fold", "condition", "group", "part", "subgroup"])
