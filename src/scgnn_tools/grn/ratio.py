"""How much likelier evidence makes an edge: known edges against other pairs of the same factor with targets of like degree."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from scgnn_tools._random import RNG, generator, seed

TOLERANCE = 0.2
"""Share of a degree by which another may differ, or 1: the most popular targets have no like."""

BOUND = 3.0
"""Standard deviations beyond which evidence counts no more."""

STEPS = 8
PER_EDGE = 5
WIDTH = 25
"""Genes of the same degree that are enough to draw another pair from; else those next in degree, on either side, count too."""

FOLDS = 5

LEAST = 50
"""Known edges below which no ratio is fitted."""


@dataclass(frozen=True)
class Ratio:
    """Log of the likelihood ratio of an edge: a sum over sources, rising with each.

    Attributes
    ----------
    names
        Sources.
    slope
        Log ratio a standard deviation of each source, 0 or more; 0: the source says nothing.
    raw, error
        The slopes before they were shrunk, and their standard errors over factors; NaN if there were too few known edges.
    centre, scale
        What each source is centred on (its mean over other pairs) and measured in.
    bound
        Standard deviations beyond which a source counts no more.
    n
        Known edges that it was fitted on.
    """

    names: tuple[str, ...]
    slope: np.ndarray
    raw: np.ndarray
    error: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    bound: np.ndarray
    n: int

    def __call__(self, sources: Mapping[str, np.ndarray], *, only: tuple[str, ...] | None = None) -> np.ndarray:
        """Return the log ratio, float32 of the shape of the sources; a source adds 0 where it has no value (NaN).

        ``only`` names sources that count; None takes all.
        """
        out = np.float32(0)
        for k, name in enumerate(self.names):
            if only is None or name in only:
                values = _bounded(sources[name], self.centre[k], self.scale[k], self.bound[k])
                out = out + np.nan_to_num(self.slope[k] * values, nan=0.0).astype(np.float32)
        return np.asarray(out)

    def of_centred(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return what values that are centred on 0 add in the place of a source, float32; 0 where there is none (NaN)."""
        k = self.names.index(name)
        return np.nan_to_num(self.slope[k] * _bounded(values, 0.0, self.scale[k], self.bound[k])).astype(np.float32)

    def says_nothing(self, *names: str) -> bool:
        """Whether the ratio of these sources is 1 everywhere."""
        return not any(s > 0 for n, s in zip(self.names, self.slope, strict=True) if n in names)


def matched(
    known: np.ndarray, degree: np.ndarray, *, rows: tuple[np.ndarray, np.ndarray] | None = None, per: int = PER_EDGE,
    width: int = WIDTH, tolerance: float = TOLERANCE, rng: RNG = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Draw other pairs for known edges: the same factor, a target of like degree, no known edge.

    Parameters
    ----------
    known
        bool (n_tfs, n_genes).
    degree
        Known factors of each gene, in all of the prior, (n_genes,). A gene without any is not drawn.
    rows
        Edges (factor, gene) that others are drawn for; None takes all known ones.
    per, width
        Pairs an edge, at most, drawn among the genes of the same degree, or among those next in degree if there are fewer than ``width``.

    tolerance
        Share of the degree by which that of a drawn gene may differ, or 1. An edge without such genes gets no pair.
    rng
        Seed.

    Returns
    -------
    tuple
        ``edge``, ``factor``, ``gene``: the number of the edge that each drawn pair is for, and the pair.
    """
    rng = generator(rng)
    i, j = np.nonzero(known) if rows is None else rows
    among = np.flatnonzero(degree > 0)
    order = among[np.lexsort((rng.random(len(among)), degree[among]))]
    if not len(order) or not len(i):
        none = np.array([], dtype=np.int64)
        return none, none, none
    others = degree[j] - known[i, j]  # without the edge itself, which a source that is out of fold does not know
    low, high = (np.searchsorted(degree[order], others, side) for side in ("left", "right"))
    at = np.floor(low + rng.random((3 * per, len(j))) * (high - low))
    near = (low + high) // 2 + rng.integers(-width, width + 1, size=at.shape)
    gene = order[np.clip(np.where(high - low > width, at, near), 0, len(order) - 1).astype(np.int64)].T
    good = ~known[i[:, None], gene] & (gene != j[:, None])
    good &= np.abs(degree[gene] - others[:, None]) <= np.maximum(1, tolerance * others)[:, None]
    good &= np.cumsum(good, axis=1) <= per
    edge, column = np.nonzero(good)
    return edge, i[edge], gene[edge, column]


def fit_ratio(
    sources: Mapping[str, np.ndarray],
    known: np.ndarray,
    degree: np.ndarray,
    *,
    unbounded: tuple[str, ...] = (),
    rng: RNG = 0,
) -> Ratio:
    """Fit how much likelier a standard deviation of each source makes an edge, beside the others, and shrink that by how sure it is.

    A logistic regression of known edges against the pairs that :func:`matched` draws, without negative slopes, then an empirical-Bayes
    shrinkage of each: ``slope * max(0, 1 - (error / slope)**2)``, where the error is between factors (whose pairs are not independent).
    Where the cells say nothing the slope is 0 and the ratio 1.

    Parameters
    ----------
    sources
        By name, float (n_tfs, n_genes) each, NaN where there is none; of known edges as if they were not known.
    known, degree
        As in :func:`matched`.
    unbounded
        Sources that are logits themselves; any other counts no more beyond 3 standard deviations.
    rng
        Seed.
    """
    names = tuple(sources)
    there = np.all([np.isfinite(s) for s in sources.values()], axis=0)
    i, j = np.nonzero(known & there)
    bound = np.array([np.inf if n in unbounded else BOUND for n in names])
    zero, one, unknown = np.zeros(len(names)), np.ones(len(names)), np.full(len(names), np.nan)
    _, a, b = matched(known, degree, rows=(i, j), rng=rng)
    a, b = a[there[a, b]], b[there[a, b]]
    if len(i) < LEAST or len(a) < LEAST:
        return Ratio(names, zero, unknown, unknown, zero, one, bound, len(i))
    label = np.repeat([1.0, 0.0], [len(i), len(a)])
    factor, gene = np.concatenate([i, a]), np.concatenate([j, b])
    values = np.stack([s[factor, gene] for s in sources.values()], axis=1).astype(np.float64)
    centre, scale = values[label == 0].mean(axis=0), values[label == 0].std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    raw, error = _slopes(_bounded(values, centre, scale, bound), label, factor)
    sure = np.divide(error, raw, out=np.ones_like(raw), where=raw > 0)
    return Ratio(names, raw * np.maximum(0, 1 - sure**2), raw, error, centre, scale, bound, len(i))


@dataclass(frozen=True)
class OutOfFold:
    """A ratio for each factor that was fitted on other factors: what its own known edges are like is not in it.

    Attributes
    ----------
    parts
        Fits, each without the factors of a fold.
    fold
        Fold of each factor, (n_tfs,).
    """

    parts: tuple[Ratio, ...]
    fold: np.ndarray

    def __call__(self, sources: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log ratio of every pair, float32 (n_tfs, n_genes); a source adds 0 where it has no value (NaN)."""
        return self._each(
            lambda part, rows: part({n: s[rows] for n, s in sources.items()}), next(iter(sources.values()))
        )

    def shrunk(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return what values that are centred on 0 add in the place of a source, float32 of their shape."""
        return self._each(lambda part, rows: part.of_centred(name, values[rows]), values)

    def take(self, rows: np.ndarray) -> "OutOfFold":
        """Return the ratio of some factors."""
        return OutOfFold(self.parts, self.fold[rows])

    def says_nothing(self, *names: str) -> bool:
        """Whether the ratio of these sources is 1 everywhere."""
        return all(part.says_nothing(*names) for part in self.parts)

    def mean(self) -> Ratio:
        """Return the mean of the fits, to be told; each known edge is in all of them but one."""
        of = {
            c: np.mean([getattr(p, c) for p in self.parts], axis=0)
            for c in ("slope", "raw", "error", "centre", "scale")
        }
        n = round(sum(p.n for p in self.parts) / max(1, len(self.parts) - 1))
        return replace(self.parts[0], n=n, **of)

    def _each(self, of: Callable[[Ratio, np.ndarray], np.ndarray], like: np.ndarray) -> np.ndarray:
        out = np.zeros(like.shape, dtype=np.float32)
        for number, part in enumerate(self.parts):
            rows = np.flatnonzero(self.fold == number)
            out[rows] = of(part, rows)
        return out


def fit_out_of_fold(
    sources: Mapping[str, np.ndarray], known: np.ndarray, degree: np.ndarray, *, n_folds: int = FOLDS, rng: RNG = 0
) -> OutOfFold:
    """Fit a ratio for each fold of factors on the others; parameters as in :func:`fit_ratio`.

    Factors are dealt to the folds by how many known edges they have, so that each fold has about as many.
    """
    fold = np.empty(len(known), dtype=np.int64)
    fold[np.argsort(-known.sum(axis=1), kind="stable")] = np.arange(len(known)) % n_folds
    number = seed(rng)
    parts = [fit_ratio(sources, known & (fold != f)[:, None], degree, rng=number) for f in range(n_folds)]
    return OutOfFold(tuple(parts), fold)


def _bounded(values: np.ndarray, centre: np.ndarray | float, scale: np.ndarray, bound: np.ndarray) -> np.ndarray:
    return np.clip((values - centre) / scale, -bound, bound)


def _slopes(values: np.ndarray, label: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes of a logistic regression, those below 0 set to 0, and standard errors with groups that are not independent."""
    slope, error = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    used = np.flatnonzero(np.ptp(values, axis=0) > 0)
    while len(used):
        beta, spread = _logistic(values[:, used], label, group)
        slope[:], error[used] = 0, spread
        slope[used] = beta
        if beta.min() >= 0:
            break
        used = np.delete(used, beta.argmin())
    return np.maximum(slope, 0), error


def _logistic(values: np.ndarray, label: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    design = np.concatenate([np.ones((len(values), 1)), values], axis=1)
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(label.mean() / (1 - label.mean()))
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -30, 30)))
        bread = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design + 1e-6 * np.eye(design.shape[1]))
        beta = beta + bread @ (design.T @ (label - p))
    rest = label - p
    meat = np.stack([np.bincount(group, weights=design[:, k] * rest) for k in range(design.shape[1])], axis=1)
    return beta[1:], np.sqrt(np.diag(bread @ (meat.T @ meat) @ bread))[1:]
