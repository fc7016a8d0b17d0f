"""Score every factor × gene with several trainings of a method, and keep the best of each factor, by group of cells."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError
from scgnn_tools._progress import progress
from scgnn_tools.grn.inputs import LinkInputs, fit
from scgnn_tools.links import PREDICTORS, link_predictor
from scgnn_tools.store import RunFolder, digest

BLOCK = 2**21


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


def everything(inputs: LinkInputs) -> Group:
    """Return the group of all cells and all genes."""
    return Group("", None, np.ones(len(inputs.genes), dtype=bool))


def is_by_group(method: str, groups: list[Group]) -> bool:
    """Say whether the method is trained in each group: one that cannot do without expression, if there are groups."""
    return "expression" in PREDICTORS[method].needs and groups[0].cells is not None


def run_names(method: str, groups: list[Group], n_runs: int) -> list[str]:
    """Return what the runs are called in a store."""
    prefixes = [f"group{i}-" for i in range(len(groups))] if is_by_group(method, groups) else [""]
    return [f"{prefix}run{r}" for prefix in prefixes for r in range(n_runs if is_random(method) else 1)]


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
) -> pd.DataFrame:
    """Train on all pairs of the prior and score every factor × gene of the data, once or, if the method reads expression, by group.

    Parameters
    ----------
    known
        Edges of the prior, ``tf``, ``target``, ``mode``; kept whatever their score.

    Returns
    -------
    DataFrame
        ``group``, ``tf``, ``target``, ``score``, ``known``, ``mode``, ``stability``: of each group the ``n_top`` best targets of each
        factor by the mean score of the runs and the ``known`` ones, best first; ``stability`` is the share of runs that have the edge
        among their own ``n_top``, NaN with one run. Then what the method says of each edge, if it has ``evidence``.
    """
    store = store or RunFolder(None, {})
    draws = n_runs if is_random(method) else 1  # the others would say the same again
    by_group = is_by_group(method, groups)
    sets = [[g] for g in groups] if by_group else [groups]
    modes = _modes(known, tfs, inputs.genes)
    parts = []
    for number, some in enumerate(sets):
        mine = replace(inputs, expression=inputs.expression[some[0].cells]) if by_group else inputs  # type: ignore[index]
        prefix = f"group{number}-" if by_group else ""
        runs = _Runs(mine, method, tfs, rng, options, store, prefix)
        what = f"train and score{' ' + some[0].name if by_group else ''}"
        scores = progress((runs.scores(r) for r in range(draws)), total=draws, what=what, unit="run")
        mean, kept = _tally(scores, some, tfs, inputs.genes, n_top)
        stability = [k / draws if n_runs > 1 else np.full_like(k, np.nan) for k in kept]
        edges = pd.concat(
            [_kept(mean, s, g, tfs, inputs.genes, modes, n_top) for s, g in zip(stability, some, strict=True)],
            ignore_index=True,
        )
        parts.append(pd.concat([edges, runs.evidence(edges)], axis=1))
    out = pd.concat(parts, ignore_index=True)
    if out.empty:
        msg = f"{method} gives no pair of a factor and a gene a score: the genes are constant, or there are too few cells."
        raise GraphError(msg)
    return out.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def _kept(
    mean: np.ndarray,
    stability: np.ndarray,
    group: Group,
    tfs: np.ndarray,
    genes: np.ndarray,
    modes: pd.Series,
    n_top: int,
) -> pd.DataFrame:
    """Return the edges of a group that are kept: the best of each factor and the known ones."""
    score = _within(mean, group, tfs, genes)
    best = _top(score, n_top)
    best.flat[modes.index] = np.isfinite(score.flat[modes.index])
    place = np.flatnonzero(best)
    i, j = np.divmod(place, len(genes))
    told = {"known": np.isin(place, modes.index), "mode": modes.reindex(place).to_numpy()}
    edges = pd.DataFrame({"group": group.name, "tf": tfs[i], "target": genes[j], "score": score[i, j], **told})
    return edges.assign(stability=stability[i, j].astype(float))


class _Runs:
    """The trainings of one method on one set of inputs."""

    def __init__(
        self,
        inputs: LinkInputs,
        method: str,
        tfs: np.ndarray,
        rng: int,
        options: dict[str, Any],
        store: RunFolder,
        prefix: str,
    ) -> None:
        self._inputs, self._method, self._tfs, self._rng = inputs, method, tfs, rng
        self._options, self._store, self._prefix = options, store, prefix
        self._first: Any = None

    def scores(self, run: int) -> np.ndarray:
        """Return the scores of one run, float32 (n_tfs, n_genes)."""
        return self._store.matrix(f"{self._prefix}run{run}", lambda: self._make(run))

    def evidence(self, edges: pd.DataFrame) -> pd.DataFrame:
        """Return what the first run says of each edge; no columns if the method has no such thing."""
        if not hasattr(link_predictor(self._method, **self._options), "evidence"):
            return pd.DataFrame(index=edges.index)
        pairs = edges[["tf", "target"]].drop_duplicates()  # groups share them

        def make() -> dict[str, Any]:
            fitted = self._first or self._fit(0)
            return {"table": fitted.evidence(pairs).reset_index(drop=True)}

        told = self._store.record(f"{self._prefix}evidence-{digest(pairs)[:16]}", make)["table"]
        at = edges.groupby(["tf", "target"], sort=False).ngroup()  # numbered as they first occur, as pairs are
        return told.iloc[at].set_axis(edges.index)

    def _fit(self, run: int) -> Any:
        return fit(self._method, self._inputs, self._inputs.pairs, None, self._rng + run, **self._options)

    def _make(self, run: int) -> np.ndarray:
        fitted = self._fit(run)
        if run == 0:
            self._first = fitted
        return score_matrix(fitted.score, self._method, self._tfs, self._inputs.genes)


def score_matrix(
    score: Callable[[pd.DataFrame], np.ndarray], method: str, tfs: np.ndarray, genes: np.ndarray
) -> np.ndarray:
    """Return the scores of all pairs, logits as probabilities, float32 (n_tfs, n_genes); NaN for a factor and itself."""
    out = np.empty((len(tfs), len(genes)), dtype=np.float32)
    step = max(1, BLOCK // max(1, len(genes)))
    for start in range(0, len(tfs), step):
        some = tfs[start : start + step]
        block = pd.DataFrame({"tf": np.repeat(some, len(genes)), "target": np.tile(genes, len(some))})
        out[start : start + step] = _probability(method, score(block)).reshape(len(some), len(genes))
    out[tfs[:, None] == genes[None, :]] = np.nan  # no factor is its own target here
    return out


def _probability(method: str, score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(score, -500, 500))) if PREDICTORS[method].log_odds else score


def is_random(method: str) -> bool:
    """Return whether two trainings of the method differ."""
    return "rng" in inspect.signature(type(link_predictor(method))).parameters


def _tally(
    runs: Iterable[np.ndarray], groups: list[Group], tfs: np.ndarray, genes: np.ndarray, n_top: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the mean of the runs, float64 (n_tfs, n_genes), and for each group in how many an edge is among the best."""
    total: Any = 0.0
    kept = [np.zeros((len(tfs), len(genes)), dtype=np.float32) for _ in groups]
    n = 0
    for scores in runs:
        total, n = total + scores.astype(np.float64), n + 1
        for count, group in zip(kept, groups, strict=True):
            count += _top(_within(scores, group, tfs, genes), n_top)
    return total / n, kept


def _within(scores: np.ndarray, group: Group, tfs: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Return the scores with NaN where the group lacks the factor or the gene."""
    if group.genes.all():
        return scores
    here = np.isin(tfs, genes[group.genes])
    return np.where(here[:, None] & group.genes[None, :], scores, np.nan)


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
