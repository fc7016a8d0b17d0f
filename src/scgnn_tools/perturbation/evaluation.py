"""Held-out perturbations: methods, baselines and the ceiling on the same conditions, each with an interval over conditions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.data.order import largest_first
from scgnn_tools.metrics import perturbation
from scgnn_tools.perturbation._protocol import Effects, PerturbationMethod, PerturbedCells
from scgnn_tools.perturbation.changes import Changes, changes, halves
from scgnn_tools.perturbation.inputs import Screen
from scgnn_tools.perturbation.intervals import draw, interval, means, word
from scgnn_tools.perturbation.relations import Relations

CEILING = "ceiling"
DRAWS = 2_000
"""Of the bootstrap over conditions."""

INTERVALS = ("mse", "pearson_delta", "pearson_delta_20", "centroid")
"""Metrics that get an interval."""

CENTRAL, RANKED = (10, 20, 50), 20
"""Percent of the true cells in whose middle a predicted mean should lie, and most changed genes that are asked for."""

LESS_IS_BETTER = ("mse", "mae", "rmse")


@dataclass(frozen=True)
class Items:
    """What is trained on and tested: conditions, or conditions in a group where groups are held out.

    Attributes
    ----------
    names
        "A+B", or "A+B (T)" in the group T.
    code
        Of each cell, -1 for control cells, -2 for one of no item, int64 (n_cells,).
    conditions
        Perturbed genes of each.
    train, test
        Positions by fold.
    subgroup
        Of each, as tested; "" for what no fold tests.
    """

    names: list[str]
    code: np.ndarray
    conditions: list
    train: list[np.ndarray]
    test: list[np.ndarray]
    subgroup: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """Items that a fold tests, sorted."""
        return np.unique(np.concatenate(self.test))


def items(cells: Screen, split: pd.DataFrame) -> Items:
    """Return the items of a split."""
    names = cells.names
    group = np.full(len(cells.condition), "", dtype=object)
    if (split["group"] != "").any():
        group = cells.cell_type if set(split["group"]) <= set(cells.cell_type) else cells.batch
    key = {(c, g): i for i, (c, g) in enumerate(dict.fromkeys(zip(split["condition"], split["group"], strict=True)))}
    of_cell = [-1 if c < 0 else key.get((names[c], g), -2) for c, g in zip(cells.condition, group, strict=True)]
    genes = dict(zip(names, cells.conditions, strict=True))
    at = np.array([key[c, g] for c, g in zip(split["condition"], split["group"], strict=True)])
    folds = [split["fold"].to_numpy() == f for f in pd.unique(split["fold"])]
    part = split["part"].to_numpy()
    test = [at[f & (part == "test")] for f in folds]
    subgroup = np.full(len(key), "", dtype=object)
    subgroup[at[part == "test"]] = split["subgroup"].to_numpy()[part == "test"]
    return Items(
        [f"{c} ({g})" if g else c for c, g in key],
        np.array(of_cell, dtype=np.int64),
        [genes[c] for c, _ in key],
        [at[f & (part == "train")] for f in folds],
        test,
        subgroup,
    )


@dataclass(frozen=True)
class Scores:
    """What a run over held-out conditions found.

    Attributes
    ----------
    table
        A row a method and tested item (``method``, ``condition``), metrics as means over the halves.
    predicted
        By method: mean over the halves of the predicted change, float32 (n_tested, n_genes).
    notes
        By method: what it chose in the last fold.
    histories
        By method: losses of the last fold, of those that are trained.
    """

    table: pd.DataFrame
    predicted: dict[str, np.ndarray]
    notes: dict[str, dict[str, Any]]
    histories: dict[str, pd.DataFrame]


def effects(
    found: Changes, of: Items, genes: np.ndarray, relations: Relations, cells: PerturbedCells | None
) -> Effects:
    """Return what a method may see of the items."""
    return Effects(of.conditions, found.change, (found.error**2).mean(axis=1), genes, relations, cells)


def held_out(
    cells: Screen,
    of: Items,
    methods: dict[str, Callable[[], PerturbationMethod]],
    relations: Relations,
    *,
    n_halves: int = 6,
    with_cells: bool = False,
    rng: RNG = 0,
) -> Scores:
    """Score methods on held-out items: trained and asked on one half of all cells, compared with the other half, control cells too.

    Parameters
    ----------
    cells, of
        The screen and its items.
    methods
        By name: makes a new one.
    relations
        How alike the perturbed genes are.
    n_halves
        Times that the cells are halved; each half is the truth once.
    with_cells
        Whether the methods learn from cells; each halving then counts in one direction.
    rng
        Of the halves and the methods.
    """
    draws, number = generator(rng), seed(rng)
    tested = of.tested
    sums = {m: np.zeros((len(tested), len(cells.genes))) for m in methods}
    notes: dict[str, dict[str, Any]] = {}
    histories: dict[str, pd.DataFrame] = {}
    parts, n = [], 0
    for _ in progress(range(n_halves), what="held-out conditions", unit="halving"):
        first = halves(of.code, cells.stratum, draws)
        both = [changes(cells, of.code, len(of.names), use) for use in (first, ~first)]
        for own, (a, b) in enumerate([both] if with_cells else [both, both[::-1]]):
            inside = None
            if with_cells:
                use = np.flatnonzero((first if own == 0 else ~first) & (of.code > -2))
                inside = PerturbedCells(cells.expression[use], of.code[use], cells.stratum[use])
            seen = effects(a, of, cells.called, relations, inside)
            made, others = _predict(seen, of, methods, number, notes, histories)
            made[CEILING] = a.change[tested]
            truth = _truth(b, of, cells.called) | {"central": central(cells, of, b, ~first if own == 0 else first)}
            for name, change in made.items():
                parts.append(_scored(name, change, others, a.control[tested], truth, of))
                if name in sums:
                    sums[name] += change
            n += 1
    table = pd.concat(parts).groupby(["method", "condition"], sort=False).mean()
    return Scores(table, {m: (s / n).astype(np.float32) for m, s in sums.items()}, notes, histories)


def _predict(
    seen: Effects,
    of: Items,
    methods: dict[str, Callable[[], PerturbationMethod]],
    number: int,
    notes: dict[str, dict[str, Any]],
    histories: dict[str, pd.DataFrame],
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the changes of the tested items by method, and the mean of the training changes as each was predicted with."""
    tested = of.tested
    place = {item: i for i, item in enumerate(tested)}
    shape = (len(tested), seen.changes.shape[1])
    made, others, times = {m: np.zeros(shape) for m in methods}, np.zeros(shape), np.zeros(len(tested))
    there = np.isfinite(seen.changes[:, 0])
    for train, test in zip(of.train, of.test, strict=True):
        own = seen.take(train[there[train]])
        rows = [place[i] for i in test]
        times[rows] += 1
        others[rows] += own.changes.mean(axis=0)
        for name, make in methods.items():
            method = make()
            method.fit(own, rng=number)
            made[name][rows] += method.predict([of.conditions[i] for i in test])
            notes[name] = dict(method.notes)
            if method.history is not None:
                histories[name] = method.history
    return {m: x / times[:, None] for m, x in made.items()}, others / times[:, None]


def _truth(b: Changes, of: Items, genes: np.ndarray) -> dict[str, Any]:
    """Return what the metrics want of the half that is the truth, of the tested items."""
    own = of.tested
    true = replace(b, **{k: getattr(b, k)[own] for k in ("change", "control", "error", "dof", "n", "testable")})
    return {
        "truth": true.change + true.control,
        "control": true.control,
        "conditions": [of.conditions[i] for i in own],
        "genes": genes,
        "t": true.t,
        "error": true.error,
        "significant": true.significant(),
    }


def central(cells: Screen, of: Items, found: Changes, use: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return between which values the central tenth, fifth and half of the true cells lie, of each tested item's most changed genes.

    By percent: two arrays, float64 (n_tested, n_genes), NaN for genes that are not among the most changed.
    """
    tested = of.tested
    out = np.full((2 * len(CENTRAL), len(tested), len(cells.genes)), np.nan)
    shares = [0.5 + side * k / 200 for k in CENTRAL for side in (-1, 1)]
    for row, item in enumerate(tested):
        own = np.flatnonzero(use & (of.code == item))
        if len(own):
            genes = largest_first(found.t[item], cells.genes)[: RANKED + len(of.conditions[item])]
            out[:, row, genes] = np.quantile(cells.expression[own][:, genes].toarray(), shares, axis=0)
    return {k: (out[2 * i], out[2 * i + 1]) for i, k in enumerate(CENTRAL)}


def _scored(
    name: str, change: np.ndarray, others: np.ndarray, base: np.ndarray, truth: dict[str, Any], of: Items
) -> pd.DataFrame:
    """Return the scores of predicted changes against the other half, a row a tested item."""
    table = perturbation(predicted=change + base, reference=base, others=others + base, **truth)
    table.index = pd.MultiIndex.from_product([[name], [of.names[i] for i in of.tested]], names=["method", "condition"])
    return table.drop(columns="shared_control")


def summary(
    table: pd.DataFrame, kinds: dict[str, str], which: "np.ndarray | None" = None, *, rng: RNG = 0
) -> pd.DataFrame:
    """Return the mean of each method over conditions, with 95 % intervals, and scores relative to the better of two baselines.

    Parameters
    ----------
    table
        As :attr:`Scores.table`.
    kinds
        "method", "baseline" or "ceiling" of each.
    which
        Conditions that count, bool; None for all.
    rng
        Of the bootstrap over conditions.
    """
    wide = {m: own.droplevel(0) for m, own in table.groupby("method", sort=False)}
    n = len(next(iter(wide.values())))
    pick = np.flatnonzero(np.ones(n, dtype=bool) if which is None else which)
    draws = draw(len(pick), DRAWS, rng)
    rows = {}
    for name, own in wide.items():
        values = own.iloc[pick]
        row: dict[str, Any] = {"kind": kinds[name], "n": len(pick), **values.mean().to_dict()}
        for metric in INTERVALS:
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(means(values[metric].to_numpy(), draws))
        rows[name] = row
    out = pd.DataFrame.from_dict(rows, orient="index")
    simple = [m for m in ("no_change", "mean") if m in out.index]
    if simple:
        out["mse_relative"] = 1 - out["mse"] / max(out.loc[simple, "mse"].min(), 1e-300)
        best = out.loc[simple, "pearson_delta"].max()
        out["pearson_delta_relative"] = (out["pearson_delta"] - best) / (1 - best)
    return out


def paired(
    table: pd.DataFrame, own: str, others: list[str], which: "np.ndarray | None" = None, *, rng: RNG = 0
) -> pd.DataFrame:
    """Return the difference of a method to each baseline, with 95 % intervals over the same conditions."""
    rows = {}
    for other in others:
        row = {}
        for metric in ("mse", "pearson_delta"):
            off = (table.loc[own, metric] - table.loc[other, metric]).to_numpy()
            off = off if which is None else off[which]
            row[metric] = float(off.mean())
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(means(off, draw(len(off), DRAWS, rng)))
        rows[other] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def verdict(summed: pd.DataFrame, differences: pd.DataFrame, own: str) -> str:
    """Say whether a method beats, ties with or loses to its best baseline by mse and by the correlation of changes."""
    baselines = [b for b in summed.index[summed["kind"] == "baseline"] if b != own]
    if own not in summed.index or not baselines:
        return f"{own}: no baseline was asked for"
    words = []
    for metric, name, form in (("mse", "mse", "{:.2e}"), ("pearson_delta", "Pearson Δ", "{:.3f}")):
        less = metric in LESS_IS_BETTER
        best = summed.loc[baselines, metric].idxmin() if less else summed.loc[baselines, metric].idxmax()
        low, high = differences.loc[best, f"{metric}_low"], differences.loc[best, f"{metric}_high"]
        who = word(*((-high, -low) if less else (low, high)), int(summed.loc[own, "n"]))
        mine, theirs = (form.format(summed.loc[m, metric]) for m in (own, best))
        between = f"{form.format(differences.loc[best, metric])}, 95 % {form.format(low)} to {form.format(high)}"
        words.append(f"{who} the best baseline by {name}: {mine}, {best} {theirs} (difference {between})")
    most = f"; ceiling {summed.loc[CEILING, 'pearson_delta']:.3f}" if CEILING in summed.index else ""
    return f"On all {int(summed.loc[own, 'n']):,}: {own} {words[0]}; it {words[1]}{most}"
