"""``collaborative``: degree, and what factors with like targets say. No expression, no network."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools.links._protocol import check_pairs, need_fit
from scgnn_tools.links.degree import log_odds

if TYPE_CHECKING:
    from anndata import AnnData

RANK, FOLDS = 6, 5


class Collaborative:
    """Degree plus collaborative filtering between transcription factors, in a logistic regression on five features.

    With ``R`` the label minus the factor's rate on the observed training pairs and ``c_ij`` the cosine of two factors over the targets that
    both were observed with, the features of (i, t) are both log-odds, ``Σ_j c_ij R_jt / Σ_j |c_ij|``, the same sum unnormalised,
    and a rank-6 SVD of the residual after both rates. The regression is fitted on 5-fold out-of-fold features of the training pairs.
    """

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "Collaborative":
        """Fit the regression out of fold, then the features on all training pairs."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        pairs = check_pairs(pairs)
        pairs = pairs.reset_index(drop=True)
        fold = np.random.default_rng(0).permutation(len(pairs)) % FOLDS
        x = np.zeros((len(pairs), 5))
        for f in range(FOLDS):
            rest = pairs[fold != f]
            if rest["label"].nunique() == 2:
                x[fold == f] = _Features(rest).of(pairs[fold == f])
        self._scaler = StandardScaler().fit(x)
        self._regression = LogisticRegression(max_iter=1000).fit(self._scaler.transform(x), pairs["label"].to_numpy())
        self._features = _Features(pairs)
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return log-odds."""
        need_fit(self, "_regression")
        pairs = check_pairs(pairs, labelled=False)
        return self._regression.decision_function(self._scaler.transform(self._features.of(pairs)))


class _Features:
    """The five features, from one set of training pairs."""

    def __init__(self, pairs: pd.DataFrame) -> None:
        self.base = float(pairs["label"].mean())
        self.unseen = float(np.log(self.base / (1 - self.base)))
        self.odds_tf, self.odds_target = (log_odds(pairs, c, self.base) for c in ("tf", "target"))
        self.tfs, self.targets = pd.Index(self.odds_tf.index), pd.Index(self.odds_target.index)
        i, t = self.tfs.get_indexer(pairs["tf"]), self.targets.get_indexer(pairs["target"])
        label = pairs["label"].to_numpy(dtype=float)
        shape = (len(self.tfs), len(self.targets))
        odds_tf, odds_target = self.odds_tf.to_numpy(), self.odds_target.to_numpy()
        residual, seen = np.zeros(shape), np.zeros(shape)
        residual[i, t] = label - _sigmoid(odds_tf[i])
        seen[i, t] = 1
        square = residual**2
        norm = np.sqrt((square @ seen.T) * (seen @ square.T))  # (n_tfs, n_tfs), over commonly observed targets
        cosine = np.divide(residual @ residual.T, norm, out=np.zeros_like(norm), where=norm > 0)
        np.fill_diagonal(cosine, 0)
        self.total = cosine @ residual  # (n_tfs, n_targets)
        weight = np.abs(cosine) @ seen
        self.mean = np.divide(self.total, weight, out=np.zeros_like(weight), where=weight > 0)
        after_both = np.zeros(shape)
        after_both[i, t] = label - _sigmoid(odds_tf[i] + odds_target[t] - self.unseen)
        self.low_rank = _low_rank(after_both)

    def of(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the features of pairs, (n_pairs, 5); 0 where training holds no such factor or target."""
        i, t = self.tfs.get_indexer(pairs["tf"]), self.targets.get_indexer(pairs["target"])
        known = (i >= 0) & (t >= 0)
        x = np.zeros((len(pairs), 5))
        x[:, 0] = pairs["tf"].map(self.odds_tf).fillna(self.unseen)
        x[:, 1] = pairs["target"].map(self.odds_target).fillna(self.unseen)
        for column, table in enumerate((self.mean, self.total, self.low_rank), start=2):
            x[known, column] = table[i[known], t[known]]
        return x


def _low_rank(matrix: np.ndarray) -> np.ndarray:
    from scipy.sparse.linalg import svds

    k = min(RANK, min(matrix.shape) - 1)
    if k < 1 or not matrix.any():
        return np.zeros_like(matrix)
    u, s, vt = svds(matrix, k, rng=np.random.default_rng(0))
    return (u * s) @ vt


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
