"""How far evidence can be trusted: two disjoint halves of the cells, each on its own, and how well they agree."""

from dataclasses import dataclass, replace

import numpy as np

from scgnn_tools._random import RNG, generator

MOST_PAIRS = 500_000
PRIOR_FACTOR = 0.25
"""Weight of the agreement over all factors in that of one, whose genes are few and alike."""


@dataclass(frozen=True)
class Reliability:
    """Agreement of two halves of the cells.

    Attributes
    ----------
    halves
        Spearman correlation over all factors × genes.
    whole
        What all cells together have by that, twice the cells of a half (Spearman–Brown).
    of_tf
        The share of each factor's evidence that is no noise, in [0, 1], float32 (n_tfs,).
    shared
        Mean share of the top 100 genes of a factor that both halves have.
    """

    halves: float
    whole: float
    of_tf: np.ndarray
    shared: float

    def of_factors(self, rows: np.ndarray) -> "Reliability":
        """Return it for some factors."""
        return replace(self, of_tf=self.of_tf[rows])


def halves(n: int, *, rng: RNG = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two disjoint halves of ``n`` cells, sorted."""
    order = generator(rng).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def agreement(a: np.ndarray, b: np.ndarray, *, top: int = 100, rng: RNG = 0) -> Reliability:
    """Compare the evidence of two halves, float (n_tfs, n_genes) each."""
    overall = spearman(a.ravel(), b.ravel(), rng=rng)
    each = np.array([spearman(u, v) for u, v in zip(a, b, strict=True)])
    each = (1 - PRIOR_FACTOR) * np.nan_to_num(each) + PRIOR_FACTOR * np.nan_to_num(overall)
    k = min(top, a.shape[1] // 2)
    whole = float(doubled(np.array(overall)))
    return Reliability(overall, whole, np.clip(doubled(each), 0, 1).astype(np.float32), shared(a, b, k))


def doubled(half: np.ndarray) -> np.ndarray:
    """Return the reliability of twice as many cells (Spearman–Brown); 0 where halves disagree."""
    r = np.maximum(half, 0)
    return 2 * r / (1 + r)


def shared(a: np.ndarray, b: np.ndarray, k: int) -> float:
    """Return the mean share of the ``k`` best columns of a row that ``a`` and ``b`` both have."""
    if k < 1 or not len(a):
        return float("nan")
    best = [np.argpartition(-m, k - 1, axis=1)[:, :k] for m in (a, b)]
    return float(np.mean([len(np.intersect1d(u, v)) / k for u, v in zip(*best, strict=True)]))


def spearman(a: np.ndarray, b: np.ndarray, *, rng: RNG = 0) -> float:
    """Return the Spearman correlation of two vectors, of 500,000 drawn places if there are more; NaN if one is constant."""
    from scipy.stats import rankdata

    if len(a) > MOST_PAIRS:
        some = generator(rng).choice(len(a), MOST_PAIRS, replace=False)
        a, b = a[some], b[some]
    there = np.isfinite(a) & np.isfinite(b)
    u, v = rankdata(a[there]), rankdata(b[there])
    if len(u) < 3 or np.ptp(u) == 0 or np.ptp(v) == 0:
        return float("nan")
    return float(np.corrcoef(u, v)[0, 1])
