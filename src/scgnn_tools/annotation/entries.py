"""Importance of the entries of vectors, on two sides and over several trainings: the top, what agrees, and a map of the classes."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

SIDES = ("graph", "vectors")
TOP = 0.01
"""Share of the entries that are marked for a class."""

Profiles = Mapping[str, np.ndarray]
"""Importance by side, (n_trainings, d, n_classes) each; NaN for a class without cells."""


def scaled(importance: np.ndarray) -> np.ndarray:
    """Return importances (d, n_classes) with the largest of each class, whatever its sign, set to one; all NaN for a class of zeros."""
    most = np.abs(importance).max(axis=0)
    return importance / np.where(most > 0, most, np.nan)


def average(rows: Any) -> np.ndarray:
    """Return the mean over the first axis of what is known there; NaN where nothing is."""
    x = np.asarray(rows, dtype=float)
    known = np.isfinite(x)
    return np.where(known, x, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def how_many(d: int) -> int:
    """Return of how many entries the top of a class is: one in a hundred, one at least."""
    return max(round(TOP * d), 1)


def top(profiles: Profiles, classes: Sequence[str]) -> pd.DataFrame:
    """Return the most important entries of each class on each side, by the mean over the trainings.

    Parameters
    ----------
    profiles
        Scaled.
    classes
        Names.

    Returns
    -------
    One entry a row: ``side``, ``class``, ``rank`` from 1, ``entry``, ``importance``, and ``trainings``, the share of the trainings that
    have it at their own top.
    """
    rows = []
    for side, each in profiles.items():
        mean = average(each)
        for c in np.flatnonzero(np.isfinite(mean).all(axis=0)).tolist():
            name, own = classes[c], [set(_best(p[:, c])) for p in each if np.isfinite(p[:, c]).all()]
            for rank, k in enumerate(_best(mean[:, c]), start=1):
                share = float(np.mean([k in o for o in own]))
                rows.append((side, name, rank, str(k), float(mean[k, c]), share))
    return pd.DataFrame(rows, columns=["side", "class", "rank", "entry", "importance", "trainings"])


def agreement(profiles: Profiles, permuted: Profiles, classes: Sequence[str]) -> pd.DataFrame:
    """Return how alike the importances of a class are, between the sides and between trainings, beside two controls.

    Parameters
    ----------
    profiles
        Scaled.
    permuted
        The same, of trainings on permuted labels; without any, its column is NaN.
    classes
        Names.

    Returns
    -------
    A class a row, for each of ``between``: "sides", graph and vectors in one training, "graph" and "vectors", two trainings. ``spearman``:
    the rank correlation over all entries, mean over the pairs; ``other_class``: the same with the other classes in the place of this one
    in one of the two; ``permuted``: the same after training on permuted labels; ``top``: share of the top that is in both.
    """
    there, rows = _pairs(profiles), []
    control = _pairs(permuted)
    for between, pairs in there.items():
        if not pairs:
            continue
        own, other = _alike(pairs)
        by_chance = _alike(control[between])[0] if control.get(between) else np.full(len(classes), np.nan)
        shared = average([[_shared(a[:, c], b[:, c]) for c in range(len(classes))] for a, b in pairs])
        rows += [(between, *values) for values in zip(classes, own, other, by_chance, shared, strict=True)]
    return pd.DataFrame(rows, columns=["between", "class", "spearman", "other_class", "permuted", "top"])


def coordinates(profiles: Profiles, classes: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return where each class is in the first two principal components of all profiles at length one, and the variance of each component.

    Returns
    -------
    points
        A class, side and training a row: ``side``, ``class``, ``training``, ``PC1``, ``PC2``; those without cells are left out.
    variance
        Share of the whole, float64 (2,).
    """
    rows, at = [], []
    for side, each in profiles.items():
        for training, c in np.ndindex(len(each), len(classes)):
            profile = each[training, :, c]
            if np.isfinite(profile).all():
                rows.append((side, classes[c], training))
                at.append(profile / np.linalg.norm(profile))
    points, variance = np.zeros((len(at), 2)), np.zeros(2)
    if len(at) > 1:
        x = np.stack(at)
        u, s, v = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
        n = min(2, len(s))
        sign = np.sign(v[np.arange(n), np.abs(v[:n]).argmax(axis=1)])
        points[:, :n] = u[:, :n] * s[:n] * sign
        variance[:n] = s[:n] ** 2 / max(float((s**2).sum()), 1e-12)
    table = pd.DataFrame(rows, columns=["side", "class", "training"])
    return table.assign(PC1=points[:, 0], PC2=points[:, 1]), variance


def said(table: pd.DataFrame) -> str:
    """Return the agreement in one line, mean over the classes, beside its controls."""
    words = {
        "sides": "graph and vectors",
        "graph": "the graph of two trainings",
        "vectors": "the vectors of two trainings",
    }
    out = []
    for between, some in table.dropna(subset="spearman").groupby("between", sort=False):
        mean = some[["spearman", "other_class", "permuted"]].mean()
        controls = f"another class {mean['other_class']:.2f}"
        if np.isfinite(mean["permuted"]):
            controls += f", permuted labels {mean['permuted']:.2f}"
        out.append(f"{words[str(between)]} {mean['spearman']:.2f} ({controls})")
    return f"rank correlation: {'; '.join(out)}" if out else "no rank correlation, for nothing could be ranked"


def _best(profile: np.ndarray) -> np.ndarray:
    return np.argsort(-profile, kind="stable")[: how_many(len(profile))]


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    return len(set(_best(a)) & set(_best(b))) / how_many(len(a))


def _pairs(profiles: Profiles) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the pairs of profiles (d, n_classes) that are compared."""
    if not profiles:
        return {}
    sides = {"sides": list(zip(*(profiles[s] for s in SIDES), strict=True))}
    return sides | {s: list(combinations(profiles[s], 2)) for s in SIDES}


def _alike(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank correlation of each class with itself, and with the others, mean over the pairs, (n_classes,) each."""
    own, other = [], []
    for a, b in pairs:
        table = _ranked(a).T @ _ranked(b)
        own.append(np.diag(table))
        both = np.stack([table, table.T])
        both[:, np.arange(len(table)), np.arange(len(table))] = np.nan
        other.append(average(np.moveaxis(both, 0, 2).reshape(len(table), -1).T))
    return average(own), average(other)


def _ranked(profile: np.ndarray) -> np.ndarray:
    """Return the ranks of each column, centred and of length one, so that a product is Spearman's; NaN where there is nothing to rank."""
    from scipy.stats import rankdata

    ranks = rankdata(profile, axis=0, nan_policy="propagate")
    ranks = ranks - ranks.mean(axis=0)
    length = np.linalg.norm(ranks, axis=0)
    return ranks / np.where(length > 0, length, np.nan)
