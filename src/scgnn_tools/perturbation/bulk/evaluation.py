"""Held-out knock-outs: methods, baselines and the replicate ceiling, with intervals over targets."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, seed
from scgnn_tools.metrics import confusion_scores, knockout
from scgnn_tools.perturbation.bulk._protocol import Experiments, KnockoutMethod
from scgnn_tools.perturbation.bulk.labels import labels
from scgnn_tools.perturbation.bulk.rates import of_changes
from scgnn_tools.perturbation.intervals import draw, interval, means, word

CEILING = "ceiling"
DRAWS = 1_000
INTERVALS = ("auprc", "macro_f1", "opposite")
BINS = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Of the probability of change, which is small for most genes."""


@dataclass(frozen=True)
class TargetScores:
    """Scores of one method on the experiments that were tested.

    Attributes
    ----------
    table
        A row an experiment.
    confusion
        int (n, n_classes, n_classes).
    target
        Of each row.
    """

    table: pd.DataFrame
    confusion: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class HeldOutTargets:
    """What a run over the folds found.

    Attributes
    ----------
    scores
        By method, and ``ceiling`` where there are replicates.
    probabilities, changes
        Of the first method, by experiment; NaN where none was tested.
    notes
        Of the first method, in the last fold.
    """

    scores: dict[str, TargetScores]
    probabilities: np.ndarray
    changes: np.ndarray
    notes: dict


def held_out_targets(
    cells: Experiments, split: pd.DataFrame, methods: dict[str, Callable[[], KnockoutMethod]], *, rng: RNG = 0
) -> HeldOutTargets:
    """Fit and score every method in every fold; a method calls as many genes changed as were in its training."""
    own = next(iter(methods))
    parts: dict[str, list[tuple[pd.DataFrame, np.ndarray, np.ndarray]]] = {m: [] for m in methods}
    probabilities = np.full((*cells.label.shape, cells.n_classes), np.nan, dtype=np.float32)
    changes, notes = np.full(cells.label.shape, np.nan, dtype=np.float32), {}
    for _, fold in progress(
        split.groupby("fold"), total=split["fold"].nunique(), what="held-out knock-outs", unit="fold"
    ):
        train, test = (fold["experiment"].to_numpy()[fold["part"] == p] for p in ("train", "test"))
        seen, new = cells.take(train), cells.take(test)
        share = 1 - seen.base_rates()[cells.middle]
        for name, make in methods.items():
            method = make()
            method.fit(seen, rng=seed(rng))
            p, change = method.predict(new)
            table, confusion = knockout(new.label, p, share=share, true_change=new.change, change=change)
            parts[name].append((table.assign(experiment=test), confusion, new.target))
            if name == own:
                probabilities[test], changes[test], notes = p, change, method.notes
    return HeldOutTargets({m: _joined(p) for m, p in parts.items()}, probabilities, changes, dict(notes))


def _joined(parts: list) -> TargetScores:
    tables, confusions, targets = zip(*parts, strict=True)
    return TargetScores(pd.concat(tables, ignore_index=True), np.concatenate(confusions), np.concatenate(targets))


def ceiling(
    cells: Experiments, halves: tuple[np.ndarray, np.ndarray] | None, tested: np.ndarray
) -> TargetScores | None:
    """Return what a replicate says: other experiments of the same target, else one half of an experiment's samples of the other.

    None where neither is there.
    """
    pairs = [
        (i, cells.change[j], cells.label[i], cells.change[i])
        for i in tested
        for j in np.flatnonzero(cells.target == cells.target[i])
        if j != i
    ]
    if not pairs and halves is not None:
        both = [i for i in tested if np.isfinite(halves[0][i]).all() and np.isfinite(halves[1][i]).all()]
        pairs = [(i, halves[1][i], _relabelled(cells, i, halves[0][i]), halves[0][i]) for i in both]
    if not pairs:
        return None
    at = np.array([i for i, *_ in pairs])
    says, label, true = (np.stack([p[k] for p in pairs]) for k in (1, 2, 3))
    p = of_changes(says, np.full(says.shape[1], cells.log_fold / 2), cells.log_fold, cells.n_classes)
    table, confusion = knockout(label, p, true_change=true, change=says)
    return TargetScores(table.assign(experiment=at), confusion, cells.target[at])


def _relabelled(cells: Experiments, row: int, change: np.ndarray) -> np.ndarray:
    counts = cells.counts[row : row + 1]
    return labels(change[None], counts, np.array([""]), cells.genes, cells.log_fold, cells.n_classes)[0]


def summary(scores: dict[str, TargetScores], kinds: dict[str, str], *, rng: RNG = 0) -> pd.DataFrame:
    """Return a row a method: means over targets, pooled confusions, and 95 % intervals of a bootstrap over targets."""
    rows = {}
    for name, found in scores.items():
        values, matrices = by_target(found)
        draws = draw(len(values), DRAWS, rng)
        row = {
            "kind": kinds[name],
            "n_experiments": len(found.table),
            "n_targets": len(values),
            **values.mean().to_dict(),
        }
        row |= confusion_scores(matrices.sum(axis=0))
        row["auprc_ratio"] = row["auprc"] / row["auprc_base"] if row["auprc_base"] > 0 else float("nan")
        boot = {"macro_f1": np.array([confusion_scores(matrices[d].sum(axis=0))["macro_f1"] for d in draws[:200]])}
        boot |= {m: means(values[m].to_numpy(), draws) for m in ("auprc", "opposite")}
        for metric in INTERVALS:
            row[f"{metric}_low"], row[f"{metric}_high"] = interval(boot[metric])
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def by_target(found: TargetScores) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the scores of each target, means over its experiments, and its confusion matrix."""
    names, code = np.unique(found.target, return_inverse=True)
    values = found.table.drop(columns="experiment").groupby(code).mean().set_axis(names, axis=0)
    matrices = np.zeros((len(names), *found.confusion.shape[1:]), dtype=np.int64)
    np.add.at(matrices, code, found.confusion)
    return values, matrices


def paired(scores: dict[str, TargetScores], own: str, others: list[str], *, rng: RNG = 0) -> pd.DataFrame:
    """Return the method less each baseline in AUPRC, over the same targets, with 95 % intervals and the standard error."""
    mine, rows = by_target(scores[own])[0]["auprc"], {}
    for other in others:
        off = (mine - by_target(scores[other])[0]["auprc"]).dropna().to_numpy()
        boot = means(off, draw(len(off), DRAWS, rng))
        low, high = interval(boot)
        rows[other] = {
            "auprc": float(off.mean()) if len(off) else np.nan,
            "auprc_low": low,
            "auprc_high": high,
            "auprc_se": float(boot.std()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def calibration(label: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Return how many genes of each probability of change did change: ``n``, ``predicted``, ``observed``, a row a bin."""
    own = (label >= 0) & np.isfinite(probabilities[:, :, 0])
    middle = probabilities.shape[2] // 2
    p, y = (1 - probabilities[:, :, middle])[own], label[own] != middle
    where = np.clip(np.digitize(p, BINS) - 1, 0, len(BINS) - 2)
    n = np.bincount(where, minlength=len(BINS) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.bincount(where, weights=v, minlength=len(BINS) - 1) / n for v in (p, y)]
    names = [f"{a:g} to {b:g}" for a, b in pairwise(BINS)]
    table = pd.DataFrame(
        {"n": n, "predicted": parts[0], "observed": parts[1]}, index=pd.Index(names, name="probability")
    )
    return table[table["n"] > 0]


def verdict(table: pd.DataFrame, differences: pd.DataFrame, own: str) -> str:
    """Say whether a method beats its best baseline by AUPRC of change, how far above chance, and what a replicate says."""
    others = [n for n in table.index if table.loc[n, "kind"] == "baseline" and n != own]
    if not others or table.loc[others, "auprc"].isna().all():
        return f"{own}: nothing to compare with"
    best = table.loc[others, "auprc"].idxmax()
    low, high = differences.loc[best, "auprc_low"], differences.loc[best, "auprc_high"]
    who = word(low, high, int(table.loc[own, "n_targets"]))
    mine, base = table.loc[own, "auprc"], table.loc[own, "auprc_base"]
    text = (
        f"{own} {who} the best baseline by AUPRC of change: {mine:.3f}, {best} {table.loc[best, 'auprc']:.3f}, chance {base:.3f} "
        f"(difference {differences.loc[best, 'auprc']:.3f}, 95 % {low:.3f} to {high:.3f}); opposite ways {table.loc[own, 'opposite']:.1%}; "
        f"accuracy {table.loc[own, 'accuracy']:.3f}, of calling all unchanged {table.loc[own, 'accuracy_majority']:.3f}"
    )
    if CEILING in table.index:
        return f"{text}; a replicate says {table.loc[CEILING, 'auprc']:.3f}"
    return text + "; no replicate, so no ceiling"
