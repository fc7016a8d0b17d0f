"""What a set of labelled pairs says of other pairs: counting, collaboration, and regressions on how alike genes are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from scgnn_tools.links.sgt.ridge import ColumnRidge, affine
from scgnn_tools.links.sgt.tables import cosine, dense, low_rank, table, times

SMOOTH = 3.0
MAX_PROFILES = 2000
"""More targets than that are not compared with each other by their labels: each then has few."""

TERMS = {
    "seen": (
        *(
            "odds_tf",
            "odds_target",
            "mean",
            "total",
            "low_rank",
            "target_prior",
            "target_rate",
            "profiles",
            "mean_rest",
            "total_rest",
        ),
        *("regression", "regression_std", "regression_alike", "kin", "kin_regression", "coexpression", "cosine"),
    ),
    "unseen_tf": ("target_rate", "tf_prior", "kin", "coexpression"),
    "unseen_target": (
        *(
            "odds_tf",
            "target_prior",
            "regression",
            "regression_std",
            "regression_alike",
            "kin_regression",
            "coexpression",
        ),
    ),
    "unseen": ("tf_prior", "target_prior", "kin_regression", "coexpression"),
}
"""Terms of a pair by what training knows of its ends. The collaborative ones need both."""

EVIDENCE = {
    "degree": ("odds_tf", "odds_target", "target_rate"),
    "collaboration": ("mean", "total", "low_rank", "profiles", "mean_rest", "total_rest"),
    "similar_tfs": ("kin", "kin_regression", "tf_prior"),
    "similar_targets": ("target_prior", "regression", "regression_std", "regression_alike"),
    "coexpression": ("coexpression",),
    "vectors": ("cosine",),
}
"""Which terms a source of evidence is the sum of."""


@dataclass(frozen=True)
class Side:
    """Genes on one side of pairs, with what no label changes.

    Attributes
    ----------
    number
        Number of each gene in the universe of the fit; -1 if it was not there.
    features
        float32 (n, rank), of :class:`GeneKernel`.
    kin
        Squared kernel, normalised, of each gene with each training factor, float32 (n, n_tfs), 0 with itself; None for targets.
    names
        The genes.
    """

    number: np.ndarray
    features: np.ndarray
    kin: np.ndarray | None
    names: np.ndarray

    def take(self, at: np.ndarray) -> "Side":
        """Return some of the genes."""
        kin = None if self.kin is None else self.kin[at]
        return Side(self.number[at], self.features[at], kin, self.names[at])


class Terms:
    """All terms from one set of pairs.

    Parameters
    ----------
    i, t, label
        Numbers of factor and target in the universe, and the label, of each training pair.
    features
        float32 (n_genes, rank) of the universe.
    tfs
        Number of each factor of ``Side.kin``'s columns.
    """

    def __init__(self, i: np.ndarray, t: np.ndarray, label: np.ndarray, features: np.ndarray, tfs: np.ndarray) -> None:
        n = len(features)
        self._base = float(np.clip(label.mean(), 1e-4, 1 - 1e-4))
        at_tfs, a = np.unique(i, return_inverse=True)
        at_targets, b = np.unique(t, return_inverse=True)
        self._row, self._column = np.full(n + 1, -1), np.full(n + 1, -1)  # the last is for genes that were not there
        self._row[at_tfs], self._column[at_targets] = np.arange(len(at_tfs)), np.arange(len(at_targets))
        self._kin_columns = pd.Index(tfs).get_indexer(at_tfs)
        y = np.zeros((len(at_tfs), len(at_targets)), dtype=np.float32)
        seen = np.zeros_like(y)
        y[a, b], seen[a, b] = label, 1
        rate = (y.sum(axis=1) + SMOOTH * self._base) / (seen.sum(axis=1) + SMOOTH)
        offset = self._rates(y, seen, rate, features[at_tfs], features[at_targets])
        self._x = features[at_targets]
        self._after_tf = table((y - rate[:, None]) * seen)  # the residual after the factor's rate
        mu = expit(logit(rate)[:, None] + offset[None]).astype(np.float32)
        rest = (y - mu) * seen
        self._after_both = table(rest)
        self._scaled = table(rest / np.sqrt(np.maximum(mu * (1 - mu), 0.02)))  # in units of its spread
        self._seen = table(seen)

    def rows(self, tfs: Side) -> np.ndarray:
        """Return the number of each factor among those of the pairs, -1 if it is none."""
        return self._row[tfs.number]

    def columns(self, targets: Side) -> np.ndarray:
        """Return the number of each target among those of the pairs, -1 if it is none."""
        return self._column[targets.number]

    def _rates(self, y: np.ndarray, seen: np.ndarray, rate: np.ndarray, x_tf: np.ndarray, x: np.ndarray) -> np.ndarray:
        """How often a factor's and a target's pairs are edges; a target's beside the rates of the factors that it was asked with."""
        base = self._base
        self._odds_tf = logit(rate)
        self._odds_target = logit((y.sum(axis=0) + SMOOTH * base) / (seen.sum(axis=0) + SMOOTH))
        excess = (y - seen * rate[:, None]).sum(axis=0)
        variance = (seen * (rate * (1 - rate))[:, None]).sum(axis=0)
        kappa = SMOOTH * base * (1 - base)
        offset = excess / (variance + kappa)
        self._target_prior = ColumnRidge(x, variance / (variance + kappa)).coefficients(offset[:, None])
        prior = affine(x, self._target_prior).ravel()
        rest = max(float(((offset - prior) ** 2).mean()), 0.05)
        self._target_rate = (excess + prior / rest) / (variance + 1 / rest)
        self._tf_prior = ColumnRidge(x_tf).coefficients(logit(rate)[:, None])
        return self._target_rate

    # each of these is made when a term that needs it is asked for: no kind of pair needs all

    @cached_property
    def _like(self) -> np.ndarray:
        """How alike the labels of two factors are, after the factors' rates."""
        return cosine(self._after_tf, self._seen)

    @cached_property
    def _like_rest(self) -> np.ndarray:
        """How alike they are after both rates."""
        return cosine(self._after_both, self._seen)

    @cached_property
    def _low(self) -> tuple[np.ndarray, np.ndarray]:
        residual, seen = dense(self._after_tf), dense(self._seen)
        return low_rank(residual - residual.sum(axis=0) / np.maximum(seen.sum(axis=0), 1) * seen)

    @cached_property
    def _profiles(self) -> np.ndarray:
        """What targets with like labels say."""
        return self._scaled @ cosine(self._after_both.T, self._seen.T, shrink=0.5)

    @cached_property
    def _ridge(self) -> ColumnRidge:
        return ColumnRidge(self._x)

    @cached_property
    def _slopes(self) -> tuple[np.ndarray, np.ndarray]:
        """Regression of each factor's residual on the target's features."""
        return self._ridge.coefficients(dense(self._after_both).T)

    @cached_property
    def _slopes_std(self) -> tuple[np.ndarray, np.ndarray]:
        return self._ridge.coefficients(dense(self._scaled).T)

    @cached_property
    def _alike(self) -> np.ndarray:
        """Weights of the factors with like labels."""
        alike = np.maximum(self._like, 0)
        return alike / (alike.sum(axis=1, keepdims=True) + 1e-9)

    def block(self, name: str, tfs: Side, targets: Side) -> np.ndarray:
        """Return a term of factors × targets: (n_tfs, n_targets), (n_tfs, 1) or (1, n_targets); 0 where training holds no such gene."""
        row, column, x = self.rows(tfs), self.columns(targets), targets.features
        if name == "odds_tf":
            return np.where(row >= 0, self._odds_tf[row], logit(self._base))[:, None]
        if name == "odds_target":
            return np.where(column >= 0, self._odds_target[column], logit(self._base))[None]
        if name == "tf_prior":
            return affine(tfs.features, self._tf_prior)
        if name in ("target_prior", "target_rate"):
            prior = affine(x, self._target_prior).T
            return prior if name == "target_prior" else np.where(column >= 0, self._target_rate[column], prior)
        if name in ("kin", "kin_regression"):
            return self._by_kin(name, tfs.kin[:, self._kin_columns], column, x)  # type: ignore[index]
        if name.startswith("regression"):
            out = self._regress(name, row, x)
        else:
            if name == "profiles" and self._seen.shape[1] > MAX_PROFILES:
                return np.zeros((1, 1), dtype=np.float32)
            out = self._by_label(name, row, column)
            out[:, column < 0] = 0
        out[row < 0] = 0
        return out

    def _by_label(self, name: str, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        if name == "low_rank":
            return self._low[0][row] @ self._low[1][:, column]
        if name == "profiles":
            return self._profiles[row][:, column]
        if name == "total_rest":
            return times(self._like_rest[row], self._scaled[:, column])
        rest = name == "mean_rest"
        like = (self._like_rest if rest else self._like)[row]
        total = times(like, (self._after_both if rest else self._after_tf)[:, column])
        if name == "total":
            return total
        weight = times(np.abs(like), self._seen[:, column])
        return total / (weight + 1) if rest else np.divide(total, weight, out=np.zeros_like(weight), where=weight > 0)

    def _regress(self, name: str, row: np.ndarray, x: np.ndarray) -> np.ndarray:
        if name == "regression_alike":
            return self._alike[row] @ affine(x, self._slopes_std).T
        slope, constant = self._slopes if name == "regression" else self._slopes_std
        return affine(x, (slope[:, row], constant[row])).T

    def _by_kin(self, name: str, kin: np.ndarray, column: np.ndarray, x: np.ndarray) -> np.ndarray:
        if name == "kin_regression":
            return (kin / (kin.sum(axis=1, keepdims=True) + 0.1)) @ affine(x, self._slopes_std).T
        out = times(kin, self._scaled[:, column]) / (times(kin, self._seen[:, column]) + 0.5)
        out[:, column < 0] = 0
        return out
