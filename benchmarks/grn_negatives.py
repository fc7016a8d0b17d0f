"""Are true edges buried that a training drew as negatives? Pairs that were drawn, beside pairs that were as likely to be.

How likely a pair is drawn is known: :func:`scgnn_tools.grn.candidates.labelled_pairs` draws evenly and by the target's degree, as often as
the factor has edges. Pairs that were not drawn are weighted by the odds of being drawn, so both kinds have the same degrees.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scgnn_tools.grn.candidates import PER_EDGE
from scgnn_tools.grn.collect import Data
from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.grn.runs import FOLDS, Runs
from scgnn_tools.store import RunFolder, digest

DRAWS, MOST = 500, 200_000
"""Draws of factors that an interval rests on; pairs that are looked at, at most."""


@dataclass(frozen=True)
class Trainings:
    """Probabilities of several trainings, and which pairs each has learnt from; (n_runs, n_tfs, n_genes)."""

    scores: np.ndarray
    learnt: np.ndarray

    @property
    def unseen(self) -> np.ndarray:
        """Mean over the trainings that have not learnt from a pair, float64 (n_tfs, n_genes); NaN where all have."""
        return _mean(self.scores, ~self.learnt)

    @property
    def in_sample(self) -> np.ndarray:
        """Mean over those that have learnt from a pair, and of other pairs over all."""
        return np.where(self.learnt.any(axis=0), _mean(self.scores, self.learnt), self.unseen)


def trainings(data: Data, tfs: np.ndarray, symbols: np.ndarray, n_runs: int, *, store: Path | None = None) -> Trainings:
    """Train the default method on the prior without any cells, as ``tl.infer_grn`` does."""
    inputs = LinkInputs(data.inputs.pairs, data.inputs.embedding, symbols, None)
    runs = Runs(inputs, "sgt", tfs, 0, {}, RunFolder(store, {"genes and factors": digest(symbols, tfs)}), "")
    scores, learnt = [], np.zeros((n_runs, len(tfs), len(symbols)), dtype=bool)
    for run, scored in enumerate(runs.finished(n_runs, unseen=False)):
        scores.append(scored)
        pairs = runs._pairs(run)
        i, j = pd.Index(tfs).get_indexer(pairs["tf"]), pd.Index(symbols).get_indexer(pairs["target"])
        learnt[run, i[(i >= 0) & (j >= 0)], j[(i >= 0) & (j >= 0)]] = True
    return Trainings(np.stack(scores), learnt)


def chance(pairs: pd.DataFrame, tfs: np.ndarray, symbols: np.ndarray, n_runs: int) -> np.ndarray:
    """Return how likely a training learns from each pair as a negative, float64 (n_tfs, n_genes); NaN for genes that are never drawn."""
    edges = pairs[pairs["label"] == 1]
    n_edges, degree = edges.groupby("tf").size(), edges.groupby("target").size()
    of_tf = n_edges.reindex(tfs).to_numpy(dtype=float)[:, None] * PER_EDGE
    of_gene = degree.reindex(symbols).to_numpy(dtype=float)[None, :]
    missed = (1 - 1 / len(degree)) ** of_tf * (1 - of_gene / degree.sum()) ** of_tf
    return 1 - missed ** (n_runs - n_runs // FOLDS)  # the trainings that do not leave the pair out


def negatives(
    trained: Trainings, pairs: pd.DataFrame, tfs: np.ndarray, symbols: np.ndarray, other: np.ndarray
) -> pd.DataFrame:
    """Return median ranks of pairs that the prior lacks: edges of another collection, and all pairs."""
    likely = chance(pairs, tfs, symbols, len(trained.scores))
    edges = pairs[pairs["label"] == 1]
    known = np.zeros(likely.shape, dtype=bool)
    i, j = pd.Index(tfs).get_indexer(edges["tf"]), pd.Index(symbols).get_indexer(edges["target"])
    known[i[(i >= 0) & (j >= 0)], j[(i >= 0) & (j >= 0)]] = True
    unseen = trained.unseen
    open_ = np.isfinite(likely) & (likely < 1) & ~known & np.isfinite(unseen)
    ranks = {n: _ranks(s) for n, s in (("unseen", unseen), ("in sample", trained.in_sample))}
    drawn, rows = trained.learnt.any(axis=0), []
    for name, some in (("DoRothEA A–C, new", other & open_), ("all pairs", open_)):
        i, j = np.nonzero(some)
        if len(i) > MOST:
            took = np.sort(np.random.default_rng(0).choice(len(i), MOST, replace=False))
            i, j = i[took], j[took]
        rows.append({"pairs": name, **compared(ranks, drawn[i, j], likely[i, j], i, j), "of": len(symbols)})
    return pd.DataFrame(rows)


def compared(ranks: dict[str, np.ndarray], was: np.ndarray, likely: np.ndarray, i: np.ndarray, j: np.ndarray) -> dict:
    """Compare the ranks of pairs that were drawn with those of pairs as likely to be, with an interval over factors."""
    rank, weight = ranks["unseen"][i, j], np.where(was, 1.0, likely / (1 - likely))
    ratio, (_, of) = [], np.unique(i, return_inverse=True)
    rng = np.random.default_rng(0)
    order, n = np.argsort(rank), of.max() + 1
    rank, sorted_weight, sorted_was, sorted_of = rank[order], weight[order], was[order], of[order]
    for _ in range(DRAWS):
        times = sorted_weight * rng.multinomial(n, np.full(n, 1 / n))[sorted_of]
        ratio.append(_middle(rank, times * sorted_was) / _middle(rank, times * ~sorted_was))
    drawn, not_drawn = _middle(rank, sorted_weight * sorted_was), _middle(rank, sorted_weight * ~sorted_was)
    low, high = np.nanquantile(ratio, [0.025, 0.975])
    return {
        "drawn": drawn, "not drawn": not_drawn, "ratio": drawn / not_drawn, "low": low, "high": high, "n drawn": int(was.sum()),
        "expected": float(likely.sum()), "in sample": float(np.median(ranks["in sample"][i, j][was])),
    }  # fmt: skip


def _middle(rank: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted median of sorted ranks; NaN without weight."""
    total = np.cumsum(weight)
    return float(rank[np.searchsorted(total, total[-1] / 2)]) if total[-1] > 0 else float("nan")


def _ranks(score: np.ndarray) -> np.ndarray:
    return pd.DataFrame(np.nan_to_num(score, nan=-1)).rank(axis=1, ascending=False).to_numpy()


def _mean(scores: np.ndarray, which: np.ndarray) -> np.ndarray:
    n = which.sum(axis=0)
    total = np.where(which, scores, 0).sum(axis=0, dtype=np.float64)
    return np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
