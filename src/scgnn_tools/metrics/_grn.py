"""How good are the scores of edges?"""

from collections.abc import Sequence

import numpy as np

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, generator

INTERVAL = (2.5, 97.5)
"""Percentiles of the bootstrap that an interval runs between."""

FEWEST = 3
"""Transcription factors that an interval over them needs: of one alone every draw is the same, and the interval a false certainty."""


@door_of_arrays
def grn(
    y_true: np.ndarray,
    score: np.ndarray,
    tf: np.ndarray | None = None,
    *,
    at: Sequence[int] = (100,),
    bootstrap: int = 0,
    rng: RNG = 0,
) -> dict[str, float]:
    """Score a ranking of pairs.

    Parameters
    ----------
    y_true
        1 for an edge, 0 for none, shape (n_pairs,).
    score
        Higher is likelier, shape (n_pairs,); pairs without a score (NaN) are left out.
    tf
        Transcription factor of each pair, for the means over transcription factors and the intervals.
    at
        Lengths of a list of best pairs.
    bootstrap
        Draws of as many transcription factors with replacement; 0 makes no intervals. Pairs of one transcription factor are not
        independent, so pairs are not what is drawn.
    rng
        Seed of the draws. The same seed draws the same transcription factors, so two rankings of the same pairs compare draw by draw.

    Returns
    -------
    dict
        ``n``, ``n_positive``, ``density``; ``auroc``, ``auprc`` (average precision), ``auprc_ratio`` (to the density); ``epr``, the early
        precision: the share of edges among the top ``n_positive`` pairs, and ``epr_ratio``, the same to the density (BEELINE);
        ``precision_at_100``; ``auroc_per_tf`` and ``auprc_per_tf``, means over the ``n_tfs`` transcription factors with both
        kinds of pairs. NaN where there is nothing to rank. With ``bootstrap``, each of them as ``…_low`` and ``…_high`` too, a
        95 % interval; NaN with fewer than three transcription factors.

    Examples
    --------
    >>> scores = sgt.metrics.grn(np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.8, 0.1]))
    >>> scores["auroc"], scores["density"]
    (1.0, 0.5)
    """
    if bootstrap and tf is None:
        msg = "bootstrap= draws transcription factors: pass tf=."
        raise InputValueError(msg)
    if min(at, default=1) < 1:
        msg = f"at= holds positive numbers; got {min(at)}."
        raise InputValueError(msg)
    y, s = np.asarray(y_true).astype(bool), np.asarray(score, dtype=float)
    scored = ~np.isnan(s)
    y, s = y[scored], s[scored]
    n, n_positive = len(y), int(y.sum())
    out: dict[str, float] = {
        "n": n, "n_positive": n_positive, "n_tfs": 0, "density": n_positive / n if n else float("nan"),
    }  # fmt: skip
    code = None if tf is None else np.unique(np.asarray(tf)[scored], return_inverse=True)[1]
    ranking = _Ranking(y, s, code, tuple(at))
    values = ranking.values() if 0 < n_positive < n else dict.fromkeys(ranking.names, float("nan"))
    out |= values
    if code is not None:
        out["n_tfs"] = int(np.isfinite(ranking.auroc_of).sum())
    if bootstrap:
        drawn = [ranking.values(w) for w in _draws(ranking.n_tfs, bootstrap, rng)] if 0 < n_positive < n else []
        for name in values:
            some = np.array([d[name] for d in drawn if np.isfinite(d[name])])
            low, high = np.percentile(some, INTERVAL) if len(some) else (np.nan, np.nan)
            out |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return out


@door_of_arrays
def auprc_difference(
    y_true: np.ndarray, a: np.ndarray, b: np.ndarray, tf: np.ndarray, *, bootstrap: int = 200, rng: RNG = 0
) -> tuple[float, float]:
    """Return a 95 % interval of how much higher the AUPRC of one ranking is than that of another of the same pairs.

    It is NaN with fewer than three transcription factors.

    Parameters
    ----------
    y_true
        Whether each pair is an edge, shape (n_pairs,).
    a, b
        Scores of the two rankings, shape (n_pairs,).
    tf
        Transcription factor of each pair.
    bootstrap
        Draws of transcription factors.
    rng
        Seed of the draws.

    Examples
    --------
    >>> y, tf = np.tile([1, 0, 0, 1], 10), np.repeat(np.arange(8), 5)
    >>> low, high = sgt.metrics.auprc_difference(y, y + 0.5, np.arange(40) % 7, tf)
    >>> low > 0
    True
    """
    y = np.asarray(y_true).astype(bool)
    code = np.unique(np.asarray(tf), return_inverse=True)[1]
    first, second = (_Ranking(y, np.asarray(s, dtype=float), code, ()) for s in (a, b))
    drawn = np.array(
        [first.values(w)["auprc"] - second.values(w)["auprc"] for w in _draws(first.n_tfs, bootstrap, rng)]
    )
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.percentile(drawn, INTERVAL) if len(drawn) else (np.nan, np.nan)
    return float(low), float(high)


@door_of_arrays
def per_tf(y_true: np.ndarray, score: np.ndarray, code: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return AUROC and average precision within each of ``n`` groups, NaN for one without both kinds; one sort for all groups.

    Parameters
    ----------
    y_true, score
        Whether each pair is an edge, and its score, shape (n_pairs,).
    code
        Group of each pair, int from 0 to ``n`` - 1.
    n
        Groups.

    Examples
    --------
    Two factors, two pairs each:

    >>> auroc, auprc = sgt.metrics.per_tf(np.array([1, 0, 0, 1]), np.array([0.9, 0.1, 0.8, 0.2]), np.array([0, 0, 1, 1]), 2)
    >>> auroc.tolist()
    [1.0, 0.0]
    """
    order = np.lexsort((-score, code))
    y, s, g = y_true[order].astype(float), score[order], code[order]
    size, positive = np.bincount(g, minlength=n), np.bincount(g, weights=y, minlength=n)
    ends = _ends(s, g)
    group = g[ends]
    first = np.searchsorted(g, group)  # where the group begins
    tp = np.concatenate([[0], np.cumsum(y)])
    hits, seen = tp[ends + 1] - tp[first], ends + 1 - first
    before = np.concatenate([[True], group[1:] != group[:-1]])[: len(group)]  # the first block of its group
    hits0, seen0 = (np.where(before, 0, np.concatenate([[0], v[:-1]])[: len(group)]) for v in (hits, seen))
    misses, misses0 = seen - hits, seen0 - hits0
    area = np.bincount(group, weights=(misses - misses0) * (hits + hits0) / 2, minlength=n)
    precision = np.bincount(group, weights=(hits - hits0) * hits / np.maximum(seen, 1), minlength=n)
    both = (positive > 0) & (positive < size)
    nothing = np.full(n, np.nan)
    auroc = np.divide(area, positive * (size - positive), out=nothing.copy(), where=both)
    return auroc, np.divide(precision, positive, out=nothing, where=both)


@door_of_arrays
def curves(y_true: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return recall, precision and false positive rate along the ranking, a point a block of ties; pairs without a score are left out.

    Parameters
    ----------
    y_true, score
        Whether each pair is an edge, and its score, shape (n_pairs,).

    Examples
    --------
    >>> recall, precision, false_positives = sgt.metrics.curves(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))
    >>> float(recall[-1])
    1.0
    """
    y, s = np.asarray(y_true).astype(float), np.asarray(score, dtype=float)
    order = np.argsort(-s[~np.isnan(s)], kind="stable")
    y, s = y[~np.isnan(s)][order], s[~np.isnan(s)][order]
    ends = _ends(s)
    hits, seen = np.cumsum(y)[ends], ends + 1.0
    recall, precision = hits / max(y.sum(), 1), hits / seen
    fall_out = (seen - hits) / max(len(y) - y.sum(), 1)
    first = precision[:1]
    return tuple(np.concatenate([a, b]) for a, b in (([0], recall), (first, precision), ([0], fall_out)))  # type: ignore[return-value]


class _Ranking:
    """Pairs sorted once; every draw of factors is a weight a pair, and a sum along the ranking."""

    def __init__(self, y: np.ndarray, s: np.ndarray, code: np.ndarray | None, at: tuple[int, ...]) -> None:
        order = np.argsort(-s, kind="stable")
        self.y, self.at = y[order], at
        self.ends = _ends(s[order])
        self.n_tfs = 0 if code is None or not len(code) else int(code.max()) + 1
        self.code = None if code is None else code[order]
        nothing = np.full(0, np.nan)
        self.auroc_of, self.auprc_of = (nothing, nothing) if code is None else per_tf(y, s, code, self.n_tfs)
        names = ["auroc", "auprc", "auprc_ratio", "epr", "epr_ratio", *(f"precision_at_{k}" for k in at)]
        self.names = [*names, "auroc_per_tf", "auprc_per_tf"]

    def values(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Return the metrics, with so many copies of each factor."""
        w = np.ones(len(self.y)) if weights is None or self.code is None else weights[self.code].astype(float)
        seen, hits = (np.concatenate([[0.0], np.cumsum(v)[self.ends]]) for v in (w, w * self.y))
        n, positive = seen[-1], hits[-1]
        if not 0 < positive < n:
            return dict.fromkeys(self.names, float("nan"))
        misses, density = seen - hits, positive / n
        auroc = np.sum(np.diff(misses) * (hits[1:] + hits[:-1]) / 2) / (positive * (n - positive))
        precision = np.divide(hits[1:], seen[1:], out=np.zeros(len(seen) - 1), where=seen[1:] > 0)
        auprc = np.sum(np.diff(hits) * precision) / positive
        # pairs that tie at the cut count by their mean: hits grow evenly within a block of ties
        epr, *best = (float(np.interp(k, seen, hits) / k) for k in (positive, *(min(k, n) for k in self.at)))
        of = None if weights is None else weights
        per = [_mean(v, of) for v in (self.auroc_of, self.auprc_of)]
        return dict(
            zip(self.names, map(float, [auroc, auprc, auprc / density, epr, epr / density, *best, *per]), strict=True)
        )


def _ends(*keys: np.ndarray) -> np.ndarray:
    """Return the last position of each run of equal keys."""
    n = len(keys[0])
    last = np.ones(n, dtype=bool)
    if n:
        last[:-1] = np.any([k[1:] != k[:-1] for k in keys], axis=0)
    return np.flatnonzero(last)


def _mean(values: np.ndarray, weights: np.ndarray | None) -> float:
    there = np.isfinite(values)
    w = np.ones(len(values)) if weights is None else weights
    total = w[there].sum()
    return float((values[there] * w[there]).sum() / total) if total > 0 else float("nan")


def _draws(n: int, times: int, rng: RNG) -> np.ndarray:
    """Return how often each of ``n`` is drawn, (times, n); nothing is drawn of too few."""
    if n < FEWEST:
        return np.zeros((0, n), dtype=np.int64)
    return generator(rng).multinomial(n, np.full(n, 1 / n), size=times)
