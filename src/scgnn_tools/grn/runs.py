"""The trainings of a method, each on other pairs of the prior, so that every pair can be scored by one that has not seen it."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._log import as_bytes
from scgnn_tools.grn.candidates import labelled_pairs
from scgnn_tools.grn.inputs import LinkInputs, fit
from scgnn_tools.links import PREDICTORS, WithEvidence
from scgnn_tools.store import RunFolder, digest

BLOCK = 2**21
FOLDS = 3


def draws(method: str, n_runs: int) -> int:
    """Return how many trainings of a method say something new."""
    return n_runs if PREDICTORS[method].random or PREDICTORS[method].learns else 1


def joins(method: str, options: Mapping[str, Any]) -> bool:
    """Say whether what the cells say is added to the scores: to probabilities that were learnt without these cells."""
    entry = PREDICTORS[method]
    return entry.learns and entry.log_odds and "expression" not in entry.needed(options)


def fold_of(pairs: pd.DataFrame) -> np.ndarray:
    """Return the fold of each pair, by its names: the same in every run."""
    names = pairs["tf"].astype(str) + ">" + pairs["target"].astype(str)
    return (pd.util.hash_array(np.array([as_bytes(n) for n in names], dtype=object)) % FOLDS).astype(np.int64)


class Runs:
    """The trainings of one method on one set of inputs.

    A method that learns from pairs gets other negative ones in every run, and every run leaves out a third of all pairs, by their names:
    from three runs on, every pair is scored by trainings that have not seen it.
    """

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
        self._best_so_far: np.ndarray | None = None
        self.interrupted = False
        self.n_finished = 0
        self.too_few: list[np.ndarray] = []
        """The first runs, pairs that they learnt from and all: what there is if Ctrl-C leaves fewer than leave every pair out once."""

    def finished(self, n: int, *, unseen: bool) -> Iterator[np.ndarray]:
        """Yield the scores of ``n`` runs, or of those until Ctrl-C: of the first, if it falls into it, those of its best weights so far.

        Each is float32 (n_tfs, n_genes); with ``unseen`` it is NaN for the pairs that the run learnt from.
        """
        shape = (len(self._tfs), len(self._inputs.genes))
        for run in range(n):
            try:
                scores = self._store.matrix(f"{self._prefix}run{run}", partial(self._make, run), shape)
            except KeyboardInterrupt:
                self.interrupted = True
                if run > 0:
                    return
                if self._best_so_far is None:
                    raise
                scores = self._best_so_far
            self.n_finished += 1
            if unseen:
                self.too_few = [*self.too_few, scores] if run < FOLDS - 1 else []
                scores = self._unseen(scores, run)
            yield scores
            if self.interrupted:
                return

    def _unseen(self, scores: np.ndarray, run: int) -> np.ndarray:
        pairs = self._pairs(run)
        if not PREDICTORS[self._method].learns or (fold_of(pairs) == run % FOLDS).any():
            return scores
        i, j = pd.Index(self._tfs).get_indexer(pairs["tf"]), pd.Index(self._inputs.genes).get_indexer(pairs["target"])
        there = (i >= 0) & (j >= 0)
        out = scores.copy()
        out[i[there], j[there]] = np.nan
        return out

    def evidence(self, edges: pd.DataFrame) -> pd.DataFrame:
        """Return what the first run says of each edge; no columns if the method has no such thing."""
        if not PREDICTORS[self._method].evidence:
            return pd.DataFrame(index=edges.index)
        pairs = edges[["tf", "target"]].drop_duplicates()  # groups share them

        def make() -> dict[str, Any]:
            fitted = cast("WithEvidence", self._first or self._fit(0))
            return {"table": fitted.evidence(pairs).reset_index(drop=True)}

        told = self._store.record(f"{self._prefix}evidence-{digest(pairs)[:16]}", make)["table"]
        at = edges.groupby(["tf", "target"], sort=False).ngroup()  # numbered as they first occur, as pairs are
        return told.iloc[at].set_axis(edges.index)

    def _pairs(self, run: int) -> pd.DataFrame:
        """Return the pairs that a run learns from."""
        pairs = self._inputs.pairs
        if not PREDICTORS[self._method].learns:
            return pairs
        if run > 0:
            edges = pairs[pairs["label"] == 1].rename(columns={"tf": "source"})
            pairs = labelled_pairs(edges, rng=self._rng + run)
        kept = pairs[fold_of(pairs) != run % FOLDS]
        return kept if kept["label"].nunique() == 2 else pairs

    def _fit(self, run: int) -> Any:
        return fit(self._method, self._inputs, self._pairs(run), None, self._rng + run, **self._options)

    def _make(self, run: int) -> np.ndarray:
        fitted = self._fit(run)
        if run == 0:
            self._first = fitted
        scores = score_matrix(fitted.score, self._method, self._tfs, self._inputs.genes)
        if PREDICTORS[self._method].interruptible and fitted.interrupted:  # no finished run: the store must not keep it
            self._best_so_far = scores
            raise KeyboardInterrupt
        return scores


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
