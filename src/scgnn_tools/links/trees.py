"""``genie3`` and ``grnboost2``: a tree ensemble tells each target from the factors; how much it uses a factor is the score."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import genes as gene_tables
from scgnn_tools._choices import choice, integer, sequence
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_bytes, as_text, printable
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.order import by_content
from scgnn_tools.links._expression import read_expression
from scgnn_tools.links._protocol import check_pairs, need_fit

if TYPE_CHECKING:
    from anndata import AnnData

Importance = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Factors (n_cells, n_factors), target (n_cells,), seed -> importance of each factor (n_factors,)."""


class _Trees:
    """One regression a target, fitted when a pair of it is first asked for and kept.

    The factors of all regressions are those of ``tfs``, or else those of the pairs of ``fit`` and of the bundled lists of human and mouse,
    as far as the expression holds them. Another gene is no factor: its pairs score NaN.
    """

    name: str
    _importance: Importance

    def __init__(self, *, tfs: Sequence[str] | None, n_jobs: int, rng: RNG) -> None:
        if integer("n_jobs", n_jobs, least=-1) == 0:
            msg = "n_jobs is a positive number of processes, or -1 for all cores; got 0."
            raise InputValueError(msg)
        self._tfs = None if tfs is None else sequence("tfs", tfs)
        self._n_jobs, self._seed = n_jobs, seed(rng)

    def fit(
        self,
        pairs: pd.DataFrame | None = None,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "_Trees":
        """Choose the factors; the labels are not used."""
        found = read_expression(expression, self.name)
        order = by_content(sp.csr_array(found.x))  # which cells a tree is shown must not follow from where they stand
        self._columns = replace(found, x=sp.csc_array(found.x[order]))
        self._constant = self._columns.constant()
        asked = self._tfs if self._tfs is not None else _factors(self._columns.genes, pairs)
        columns = self._columns.at(as_text(asked))
        known = np.unique(columns[columns >= 0])
        self._factors = known[
            np.argsort(self._columns.genes.to_numpy(dtype=object)[known])
        ]  # as drawn, whatever the columns' order
        self._place = np.full(len(self._columns.genes), -1)
        self._place[self._factors] = np.arange(len(self._factors))
        if not len(self._factors):
            first = printable(self._columns.genes[0])
            msg = f"{self.name} knows no factor among the {len(self._columns.genes):,} genes of expression= ({first}, …). Pass tfs=."
            raise InputValueError(msg)
        self._values = self._columns.dense(self._factors)
        self._rows: dict[int, np.ndarray] = {}
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the importance of the factor for the target.

        0 if one of the two is constant, or a factor for itself; NaN if a gene is not in the expression, or the factor none of the factors.
        """
        need_fit(self, "_columns")
        pairs = check_pairs(pairs, labelled=False)
        factor, target = self._columns.at(pairs["tf"]), self._columns.at(pairs["target"])
        at = np.where(factor >= 0, self._place[factor], -1)
        known = (target >= 0) & (at >= 0)
        wanted = np.unique(target[known])
        self._regress(wanted[~self._constant[wanted]])
        out = np.full(len(pairs), np.nan)
        none = np.zeros(len(self._factors))
        for t in wanted:
            rows = np.flatnonzero(known & (target == t))
            out[rows] = self._rows.get(int(t), none)[at[rows]]
        return out

    def _regress(self, targets: np.ndarray) -> None:
        missing = [int(t) for t in targets if int(t) not in self._rows]
        jobs = (self._job(t) for t in missing)
        done = progress(_run(jobs, self._n_jobs), total=len(missing), what=self.name, unit="target")
        for t, importance in zip(missing, done, strict=True):
            row = np.zeros(len(self._factors))
            row[self._factors != t] = importance
            self._rows[t] = row

    def _job(self, target: int) -> tuple[Importance, np.ndarray, np.ndarray, np.ndarray, int]:
        # the seed follows the target's name: the same whatever else is asked for, in whatever order and process
        number = (self._seed + zlib.crc32(as_bytes(str(self._columns.genes[target])))) % 2**31
        y = self._columns.dense(np.array([target])).ravel()
        return self._importance, self._values, self._factors != target, y, number


class GENIE3(_Trees):
    """A forest a target (Huynh-Thu et al. 2010): the importance is the reduction of the variance of the scaled target.

    Parameters
    ----------
    trees
        "rf", a random forest as published, or "et", extremely randomised trees, which are faster.
    n_estimators
        Trees of each forest.
    tfs
        Factors; None takes those of the pairs and of the bundled lists.
    n_jobs
        Processes; the scores are the same for any number.
    rng
        Seed.
    """

    name = "genie3"

    def __init__(
        self,
        *,
        trees: Literal["rf", "et"] = "rf",
        n_estimators: int = 1000,
        tfs: Sequence[str] | None = None,
        n_jobs: int = 1,
        rng: RNG = 0,
    ) -> None:
        super().__init__(tfs=tfs, n_jobs=n_jobs, rng=rng)
        self._importance = _Forest(choice("trees", trees, ("rf", "et")), integer("n_estimators", n_estimators))


class GRNBoost2(_Trees):
    """Gradient boosting a target (Moerman et al. 2019), with the settings of arboreto.

    Learning rate 0.01, a tenth of the factors and nine tenths of the cells a tree, at most 5,000 trees of depth 3; it stops once the mean
    improvement of the last 25 trees on the cells that they left out is negative. The importance is multiplied by the number of
    trees, as there: a target that nothing tells stops early and counts little.

    Parameters
    ----------
    max_trees
        Most trees of a target.
    tfs
        Factors; None takes those of the pairs and of the bundled lists.
    n_jobs
        Processes; the scores are the same for any number.
    rng
        Seed.
    """

    name = "grnboost2"

    def __init__(
        self, *, max_trees: int = 5000, tfs: Sequence[str] | None = None, n_jobs: int = 1, rng: RNG = 0
    ) -> None:
        super().__init__(tfs=tfs, n_jobs=n_jobs, rng=rng)
        self._importance = _Boosting(integer("max_trees", max_trees))


class _Forest:
    def __init__(self, trees: str, n_estimators: int) -> None:
        self._trees, self._n = trees, n_estimators

    def __call__(self, x: np.ndarray, y: np.ndarray, number: int) -> np.ndarray:
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

        cls = RandomForestRegressor if self._trees == "rf" else ExtraTreesRegressor
        forest = cls(self._n, max_features="sqrt", random_state=number, n_jobs=1).fit(x, y / y.std())
        return np.mean([t.tree_.compute_feature_importances(normalize=False) for t in forest.estimators_], axis=0)


class _Boosting:
    WINDOW = 25

    def __init__(self, max_trees: int) -> None:
        self._n = max_trees

    def __call__(self, x: np.ndarray, y: np.ndarray, number: int) -> np.ndarray:
        from sklearn.ensemble import GradientBoostingRegressor

        model = GradientBoostingRegressor(
            learning_rate=0.01, n_estimators=self._n, max_features=0.1, subsample=0.9, random_state=number
        )
        model.fit(x, y, monitor=self._no_more)
        return model.feature_importances_ * len(model.estimators_)

    def _no_more(self, current: int, model: Any, _: object) -> bool:
        # mean of the last 25 improvements, from the 25th tree on
        return current >= self.WINDOW - 1 and model.oob_improvement_[current - self.WINDOW + 1 : current + 1].mean() < 0


def _factors(there: pd.Index, pairs: pd.DataFrame | None) -> list[str]:
    listed = {t.upper() for o in ("human", "mouse") for t in gene_tables.transcription_factors(o)}  # type: ignore[arg-type]
    asked = set() if pairs is None else set(pairs["tf"].astype(str))
    return [g for g in there if g in asked or g.upper() in listed]


def _regression(importance: Importance, x: np.ndarray, keep: np.ndarray, y: np.ndarray, number: int) -> np.ndarray:
    return importance(x if keep.all() else x[:, keep], y, number)


def _run(jobs: Iterable[tuple[Any, ...]], n_jobs: int) -> Iterable[np.ndarray]:
    if n_jobs == 1:
        return (_regression(*job) for job in jobs)
    from joblib import Parallel, delayed

    # workers read the factors from one memory-mapped copy; results come back in order
    return Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_regression)(*job) for job in jobs)
