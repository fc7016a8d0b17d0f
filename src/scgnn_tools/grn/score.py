"""Score every factor × gene with several trainings of a method, and keep the best of each factor, by group of cells."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError
from scgnn_tools._progress import progress
from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.grn.runs import FOLDS, Runs, draws
from scgnn_tools.links import PREDICTORS
from scgnn_tools.store import RunFolder


@dataclass(frozen=True)
class Group:
    """Cells that get a network of their own.

    Attributes
    ----------
    name
        "" if there is one network for all.
    cells
        Rows of the expression; None for all.
    genes
        Which of ``inputs.genes`` can be factor or target here, bool.
    """

    name: str
    cells: np.ndarray | None
    genes: np.ndarray


@dataclass(frozen=True)
class Added:
    """What the cells of a group add to the scores of a method.

    Attributes
    ----------
    make_ratio, make_columns
        Make what the properties are. They are made when they are asked for: of many groups they are larger than all else.
    """

    make_ratio: Callable[[], np.ndarray] | None = None
    make_columns: Callable[[], Mapping[str, np.ndarray]] = dict

    @property
    def log_ratio(self) -> np.ndarray | None:
        """What is added to the logit of a score, float32 (n_tfs, n_genes)."""
        return None if self.make_ratio is None else self.make_ratio()

    @property
    def columns(self) -> Mapping[str, np.ndarray]:
        """What is told of each edge, by name, of the same shape."""
        return self.make_columns()

    def to(self, score: np.ndarray) -> np.ndarray:
        """Return probabilities with the cells' part in them."""
        return joined(score, self.log_ratio)


def joined(score: np.ndarray, log_ratio: np.ndarray | None) -> np.ndarray:
    """Return probabilities with a log ratio added to their logits."""
    if log_ratio is None:
        return score
    odds = np.exp(log_ratio, dtype=np.float64)
    return score * odds / (1 - score + score * odds)


NOTHING = Added()


@dataclass(frozen=True)
class ScoredEdges:
    """What the trainings say.

    Attributes
    ----------
    edges
        See :func:`networks`.
    mean
        Mean score of all pairs over the runs, float64 (n_tfs, n_genes); None if groups have one each.
    interrupted
        Whether Ctrl-C ended the trainings: later runs and groups are missing.
    n_finished
        Runs that ended, of the group with the fewest.
    """

    edges: pd.DataFrame
    mean: np.ndarray | None
    interrupted: bool
    n_finished: int


def everything(inputs: LinkInputs) -> Group:
    """Return the group of all cells and all genes."""
    return Group("", None, np.ones(len(inputs.genes), dtype=bool))


def is_by_group(method: str, groups: list[Group], options: Mapping[str, Any]) -> bool:
    """Say whether the method is trained in each group: one that cannot do without expression, if there are groups."""
    return "expression" in PREDICTORS[method].needed(options) and groups[0].cells is not None


def run_names(method: str, groups: list[Group], n_runs: int, options: Mapping[str, Any]) -> list[str]:
    """Return what the runs are called in a store."""
    prefixes = [f"group{i}-" for i in range(len(groups))] if is_by_group(method, groups, options) else [""]
    return [f"{prefix}run{r}" for prefix in prefixes for r in range(draws(method, n_runs))]


def networks(
    inputs: LinkInputs,
    method: str,
    tfs: np.ndarray,
    groups: list[Group],
    *,
    known: pd.DataFrame,
    n_top: int,
    n_runs: int,
    rng: int,
    options: dict[str, Any],
    store: RunFolder | None = None,
    added: list[Added] | None = None,
    allowed: np.ndarray | None = None,
) -> ScoredEdges:
    """Train on all pairs of the prior and score every factor × gene of the data, once or, if the method reads expression, by group.

    Parameters
    ----------
    known
        Edges of the prior, ``tf``, ``target``, ``mode``; kept whatever their score.
    added
        What the cells of each group add to the scores; None adds nothing.
    allowed
        Pairs that can be edges, bool (n_tfs, n_genes); None allows all.

    Returns
    -------
    ScoredEdges
        Its edges: ``group``, ``tf``, ``target``, ``score``, ``known``, ``mode``, ``stability``, ``prior_score``: of each group the
        ``n_top`` best targets of each factor by the mean score of the runs and the ``known`` ones, best first; ``stability`` is the share
        of runs that have the edge among their own ``n_top``, NaN with one run; ``prior_score`` is the score before the cells added
        to it, NaN for a method that learns from no pairs. From three runs on, a pair is scored by the runs that have not learnt from it;
        if Ctrl-C leaves fewer, all of them score all pairs.
        Then what ``added`` and the method say of each edge. Ctrl-C ends it with the runs and groups until then; before
        there is a score KeyboardInterrupt is raised.
    """
    store = store or RunFolder(None, {})
    n = draws(method, n_runs)
    added = added or [NOTHING] * len(groups)
    by_group = is_by_group(method, groups, options)
    sets = [[k] for k in range(len(groups))] if by_group else [list(range(len(groups)))]
    modes = _modes(known, tfs, inputs.genes)
    parts: list[pd.DataFrame] = []
    mean, interrupted, finished = None, False, n
    for number, some in enumerate(sets):
        mine = [groups[k] for k in some]
        cells = replace(inputs, expression=inputs.expression[mine[0].cells]) if by_group else inputs  # type: ignore[index]
        runs = Runs(cells, method, tfs, rng, options, store, f"group{number}-" if by_group else "")
        what = f"train and score{' ' + mine[0].name if by_group else ''}"
        each = progress(runs.finished(n, unseen=n >= FOLDS), total=n, what=what, unit="run")
        adds = [added[k] for k in some]
        held = [_held(g, tfs, inputs.genes, allowed) for g in mine]
        try:
            mean, stability, seen = _tally(each, adds, held, n_top)
        except KeyboardInterrupt:  # before this group has a score
            if not parts:
                raise
            interrupted = True
            break
        if runs.too_few:  # Ctrl-C: they score all pairs, as if so many had been asked for
            mean, stability, seen = _tally(runs.too_few, adds, held, n_top)
        finished, several = min(finished, runs.n_finished), n_runs > 1 and (n == 1 or runs.n_finished > 1)
        edges = pd.concat(
            [
                _kept(mean, s if several else None, seen, g.name, a, h, tfs, inputs.genes, modes, n_top)
                for s, g, a, h in zip(stability, mine, adds, held, strict=True)
            ],
            ignore_index=True,
        )
        if not PREDICTORS[method].learns:
            edges["prior_score"] = np.nan
        parts.append(pd.concat([edges, runs.evidence(edges)], axis=1))
        interrupted = runs.interrupted
        if interrupted:
            break
    out = pd.concat(parts, ignore_index=True)
    if out.empty:
        msg = f"{method} gives no pair of a factor and a gene a score: the genes are constant, or there are too few cells."
        raise GraphError(msg)
    out = out.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    return ScoredEdges(out, None if by_group else mean, interrupted, finished)


def _kept(
    mean: np.ndarray,
    kept: np.ndarray | None,
    seen: np.ndarray,
    group: str,
    added: Added,
    held: np.ndarray | None,
    tfs: np.ndarray,
    genes: np.ndarray,
    modes: pd.Series,
    n_top: int,
) -> pd.DataFrame:
    """Return the edges of a group that are kept: the best of each factor and the known ones."""
    score = _within(added.to(mean), held)
    best = _top(score, n_top)
    best.flat[modes.index] = np.isfinite(score.flat[modes.index])
    place = np.flatnonzero(best)
    i, j = np.divmod(place, len(genes))
    told = {"known": np.isin(place, modes.index), "mode": modes.reindex(place).to_numpy()}
    edges = pd.DataFrame({"group": group, "tf": tfs[i], "target": genes[j], "score": score[i, j], **told})
    stability = np.nan if kept is None else (kept[i, j].astype(np.float32) / seen[i, j]).astype(float)
    edges = edges.assign(stability=stability, prior_score=mean[i, j])
    return edges.assign(**{name: values[i, j].astype(float) for name, values in added.columns.items()})


def _tally(
    runs: Iterable[np.ndarray], added: list[Added], held: list[np.ndarray | None], n_top: int
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Return the mean of the runs that score a pair, float64 (n_tfs, n_genes), by group in how many it is among the best, and how many."""
    runs = iter(runs)
    first = next(runs)
    shape = first.shape
    total, seen = np.zeros(shape), np.zeros(shape, dtype=np.float32)
    kept = [np.zeros(shape, dtype=np.uint16) for _ in held]
    for scores in chain([first], runs):
        there = np.isfinite(scores)
        total[there] += scores[there]
        seen += there
        for count, mine, add in zip(kept, held, added, strict=True):
            count += _top(_within(add.to(scores), mine), n_top)
    none = seen == 0
    seen[none] = 1
    mean = total / seen
    mean[none] = np.nan
    return mean, kept, seen


def _held(group: Group, tfs: np.ndarray, genes: np.ndarray, allowed: np.ndarray | None) -> np.ndarray | None:
    """Return which pairs the network of a group can hold, bool (n_tfs, n_genes); None for all."""
    if group.genes.all():
        return allowed
    held = np.isin(tfs, genes[group.genes])[:, None] & group.genes[None, :]
    return held if allowed is None else held & allowed


def _within(scores: np.ndarray, held: np.ndarray | None) -> np.ndarray:
    """Return the scores with NaN where the network cannot hold the pair."""
    return scores if held is None else np.where(held, scores, np.nan)


def _top(score: np.ndarray, n_top: int) -> np.ndarray:
    """Mark the best targets of each factor: bool (n_tfs, n_genes); of equal ones the first; pairs without score never."""
    filled = np.where(np.isnan(score), -np.inf, score)
    if n_top >= filled.shape[1]:
        return np.isfinite(filled)
    cut = -np.partition(-filled, n_top - 1, axis=1)[:, n_top - 1 : n_top]
    above, tied = filled > cut, filled == cut
    room = n_top - above.sum(axis=1, keepdims=True)
    return (above | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= room))) & np.isfinite(filled)


def _modes(known: pd.DataFrame, tfs: np.ndarray, genes: np.ndarray) -> pd.Series:
    """Return the mode of each known pair, indexed by its place in (tfs, genes), the genes counting fastest."""
    i, j = pd.Index(tfs).get_indexer(known["tf"]), pd.Index(genes).get_indexer(known["target"])
    there = (i >= 0) & (j >= 0)
    return pd.Series(known["mode"].to_numpy()[there], index=i[there] * len(genes) + j[there])
