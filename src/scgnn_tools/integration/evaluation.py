"""Vectors of several methods beside each other on the same cells, with standard errors, and the words for who wins."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from scgnn_tools._random import RNG, seed
from scgnn_tools._verdict import verdict_word
from scgnn_tools.integration._registry import METHODS
from scgnn_tools.integration.inputs import Column
from scgnn_tools.metrics import integration, integration_controls

EVALUATED = 5_000
"""Cells that are scored, at most; of more a random sample."""

HALVES = 5
AGGREGATES = ("paper", "bio", "batch", "mixing", "total", "total_mixing")
BEFORE = "pca"
"""Row of what nobody corrected."""

FEW = 10
"""A label with fewer cells is not scored: it says more of chance than of the method."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of methods.

    Attributes
    ----------
    table
        A row a method, baselines and controls included.
    halves
        For each method the aggregates on five random halves of the cells, a row a half.
    """

    table: pd.DataFrame
    halves: dict[str, pd.DataFrame]


def scored_cells(batch: Column, labels: Column | None, rng: RNG) -> np.ndarray:
    """Return the cells that are scored: with a label of at least ten cells, and at most 5,000 of them, positions, sorted."""
    cells = np.arange(len(batch.codes))
    if labels is not None:
        cells = cells[(labels.codes >= 0) & (labels.sizes >= FEW)[labels.codes]]
    if len(cells) > EVALUATED:
        cells = np.sort(np.random.default_rng(seed(rng)).choice(cells, EVALUATED, replace=False))
    return cells


def evaluate(
    vectors: dict[str, np.ndarray],
    kinds: dict[str, str],
    batch: Column,
    labels: Column | None,
    *,
    before: np.ndarray,
    condition: Column | None = None,
    rng: RNG = 0,
) -> Evaluation | None:
    """Score all methods on the same cells; None where the cells with a label are of one batch, or of one label.

    Parameters
    ----------
    vectors, kinds
        Of each method, by name: its vectors (n_cells, d), and "method" or "baseline".
    batch, labels, condition
        Of the cells.
    before
        What ``pcr`` is measured against, the uncorrected vectors.
    rng
        Of the sample and the halves.

    Notes
    -----
    The standard error is the spread over five random halves, drawn without replacement: a half has twice the variance of the whole, and
    half of that is left when the halves are of the same cells. A bootstrap would give every cell its own copy as nearest neighbour.
    """
    cells = scored_cells(batch, labels, rng)
    # codes, not names: as they are met, so that what batches and labels are called moves no draw
    of_batch, of_label = batch.codes[cells], None if labels is None else labels.codes[cells]
    if len(np.unique(of_batch)) < 2 or (of_label is not None and len(np.unique(of_label)) < 2):
        return None
    of_condition = None if condition is None else condition.codes[cells]
    if of_condition is not None and (len(np.unique(of_condition)) < 2 or of_label is None):
        of_condition = None
    shown, kinds = {name: v[cells] for name, v in vectors.items()}, dict(kinds)
    if of_label is not None:
        worth = integration_controls(of_batch, of_label, rng=seed(rng))
        shown |= worth
        kinds |= dict.fromkeys(worth, "control")
    rows, halves = {}, {}
    for name, x in shown.items():
        scores = integration(x, of_batch, of_label, before=before[cells], condition=of_condition)
        rows[name] = {"kind": kinds[name], "n": len(cells), **scores}
        if kinds[name] != "control":
            halves[name] = _halves(x, of_batch, of_label, before[cells], seed(rng))
            rows[name] |= {f"{c}_se": float(halves[name][c].std(ddof=1)) for c in halves[name]}
    return Evaluation(pd.DataFrame.from_dict(rows, orient="index"), halves)


def _halves(
    x: np.ndarray, batch: np.ndarray, labels: np.ndarray | None, before: np.ndarray, number: int
) -> pd.DataFrame:
    """Return the aggregates on random halves of each batch, a row a half."""
    rows = []
    for i in range(HALVES):
        draws = np.random.default_rng([number, i])
        own = [np.flatnonzero(batch == b) for b in np.unique(batch)]
        half = np.sort(np.concatenate([draws.permutation(o)[: max(2, len(o) // 2)] for o in own]))
        some = None if labels is None else labels[half]
        if some is not None and len(np.unique(some)) < 2:
            continue
        wanted = AGGREGATES if some is not None else ("ilisi", "paper_asw", "pcr")
        rows.append(integration(x[half], batch[half], some, before=before[half], which=list(wanted)))
    return pd.DataFrame(rows)


def verdict(found: Evaluation | None, own: str) -> str:
    """Say whether a method beats, ties with or loses to its best baseline, by total and by the worse of bio and batch.

    A tie is within the 95 % interval of the difference over the same halves of the cells. A method that loses by both is advised against;
    what is advised instead does not win by construction.
    """
    if found is None:
        return f"{own}: nothing to score; two batches and two labels of ten cells or more are wanted"
    others = [n for n in found.halves if n != own and found.table.loc[n, "kind"] == "baseline"]
    if not others:
        return f"{own}: no baseline was asked for"
    if "total" not in found.table:
        best = found.table.loc[others, "ilisi"].idxmax()
        return (
            f"{own}: iLISI {found.table.loc[own, 'ilisi']:.3f}, best baseline {best} {found.table.loc[best, 'ilisi']:.3f}; "
            "without labels_key= nobody knows whether the biology is still there"
        )
    if not np.isfinite(found.table.loc[[own, *others], "total"].to_numpy(dtype=np.float64)).all():
        best = found.table.loc[others, "bio"].idxmax()
        return (
            f"{own}: how batches mix cannot be scored, since no label is in two of them; types apart (bio) "
            f"{found.table.loc[own, 'bio']:.3f}, {best} {found.table.loc[best, 'bio']:.3f}"
        )
    words, losses, winner = [], 0, ""
    for measure, name in (("total", "total"), ("worst", "the worse of bio and batch")):
        mine, best, theirs, word = _against(found, own, others, measure)
        words.append(f"{word} the best baseline by {name}: {mine:.3f}, {best} {theirs:.3f}")
        losses += word == "loses to"
        winner = winner or best
    text = f"{own} {words[0]}; it {words[1]}"
    mine, best, theirs, word = _against(found, own, others, "total_mixing")
    if not text.startswith(f"{own} {word}"):
        text += (
            f". Without PCR, which subtracting means wins by construction, it {word} {best}: {mine:.3f}, {theirs:.3f}"
        )
    return _plain(found, own) + text + (_advice(found, own, others, winner) if losses == 2 else "")


def _plain(found: Evaluation, own: str) -> str:
    """Say what became of types and batches since the components that nobody corrected."""
    if own == BEFORE or BEFORE not in found.halves:
        return ""
    words = []
    for measure, what in (("bio", "types stay apart"), ("batch", "batches mix")):
        mine, _, before, word = _against(found, own, [BEFORE], measure)
        how = {"beats": "better than before", "ties with": "as well as before", "loses to": "worse than before"}[word]
        words.append(f"{what} {how} ({measure} {mine:.3f}, {BEFORE} {before:.3f})")
    return f"{own} in short: {'; '.join(words)}. "


def _advice(found: Evaluation, own: str, others: list[str], winner: str) -> str:
    """Say what to take instead: the best method whose score is not won by construction."""
    if not _subtracts_means(winner):
        return f". Take {winner}"
    fair = [n for n in (own, *others) if not _subtracts_means(n)]
    best = max(fair, key=lambda n: float(found.table.loc[n, "total"]), default=None)
    why = f". {winner} wins part of that by construction (it subtracts the means of batches)"
    if best is None:
        return why
    return f"{why}; of the methods that do not, {best} is best: {'keep' if best == own else 'take'} {best}"


def _subtracts_means(row: str) -> bool:
    """Tell of a row, such as "X_scgpt+center", whether its method takes the mean of each batch away."""
    name = row.rpartition("+")[2]
    return name in METHODS and METHODS[name].subtracts_means


def _against(found: Evaluation, own: str, others: list[str], measure: str) -> tuple[float, str, float, str]:
    """Return the method's value, the best baseline, its value, and the word between them."""
    values = {n: float(_measure(found.table.loc[[n]], measure)[0]) for n in (own, *others)}
    best = max(others, key=lambda n: values[n])
    difference = values[own] - values[best]
    pairs = _measure(found.halves[own], measure) - _measure(found.halves[best], measure)
    wide = float(stats.t.ppf(0.975, len(pairs) - 1) * np.std(pairs, ddof=1)) if len(pairs) > 1 else np.inf
    return values[own], best, values[best], verdict_word(difference - wide, difference + wide)


def _measure(table: pd.DataFrame, measure: str) -> np.ndarray:
    values = table[["bio", "batch"]].min(axis=1) if measure == "worst" else table[measure]
    return values.to_numpy(dtype=np.float64)
