"""How sure a difference between two groups of cells is: each part of the cells, or each donor, left out once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy import stats

from scgnn_tools._columns import without_value
from scgnn_tools._log import as_text

LEVEL = 0.95


@dataclass(frozen=True)
class Parts:
    """The cells of two groups in parts, any of which can be left out.

    Attributes
    ----------
    a, b
        Rows of each part in each group; a part may be empty in one of them.
    replicates
        Whether parts are donors, who may differ in level, rather than cells at random.
    """

    a: list[np.ndarray]
    b: list[np.ndarray]
    replicates: bool = True

    def flipped(self) -> "Parts":
        """Return the parts with the groups in each other's place."""
        return Parts(self.b, self.a, self.replicates)

    def exchanged(self, rng: np.random.Generator) -> "Parts":
        """Return the parts with what is a and b drawn anew.

        Half of the parts that are in both groups are exchanged, and of the others as many are drawn for each group as it had.
        """
        both = [k for k, (p, q) in enumerate(zip(self.a, self.b, strict=True)) if len(p) and len(q)]
        swap = set(rng.permutation(both)[: len(both) // 2].tolist())
        a = [self.b[k] if k in swap else self.a[k] for k in range(len(self.a))]
        b = [self.a[k] if k in swap else self.b[k] for k in range(len(self.b))]
        single = [k for k in range(len(a)) if not (len(a[k]) and len(b[k]))]
        n_a = sum(len(a[k]) > 0 for k in single)
        whole = {k: np.concatenate([a[k], b[k]]) for k in single}
        nothing = np.zeros(0, dtype=np.int64)
        for place, k in enumerate(rng.permutation(single).astype(int)):
            a[k], b[k] = (whole[k], nothing) if place < n_a else (nothing, whole[k])
        return Parts(a, b, self.replicates)


@dataclass(frozen=True)
class Difference:
    """A number of each group, their difference, and how sure that is; every array has an entry an edge or a factor.

    Attributes
    ----------
    a, b
        The number in each group.
    difference
        a less b.
    low, high
        Its 95 % interval.
    p
        Two-sided, of no difference.
    """

    a: np.ndarray
    b: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def _judged(a: np.ndarray, b: np.ndarray, left_a: np.ndarray, left_b: np.ndarray, parts: Parts) -> Difference:
    """Return a difference with its jackknife interval.

    Parameters
    ----------
    a, b
        Of all cells, (n,).
    left_a, left_b
        With each part left out, (n_parts, n); where a part has no cell in a group, as of all.
    parts
        How many parts there are of what.
    """
    deviation = (left_a - a) - (left_b - b)  # a part that is in one group alone moves that one
    n = min(sum(len(p) > 0 for p in side) for side in (parts.a, parts.b))
    error = np.sqrt((n - 1) / n * (deviation**2).sum(axis=0))
    difference, t = a - b, stats.t(df=n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > 0, 2 * t.sf(np.abs(difference) / error), np.where(difference == 0, 1.0, np.nan))
    half = t.ppf((1 + LEVEL) / 2) * error
    return Difference(a, b, difference, difference - half, difference + half, p)


def correlation_difference(x: sp.csr_array, i: np.ndarray, j: np.ndarray, parts: Parts) -> Difference:
    """Return the correlation of pairs of genes in two groups, and the difference of Fisher's z.

    Levels of expression that differ between donors count for nothing: each donor is centred by himself. Where parts are cells at random the
    correlation is that of all cells, whatever the parts.

    Parameters
    ----------
    x
        Log-normalised cells, (n_cells, n_genes).
    i, j
        Columns of the pairs, (n_pairs,).
    parts
        The cells.
    """
    sides = []
    for side in (parts.a, parts.b):
        sums = np.stack([_sums(x, rows, i, j) for rows in side])  # (n_parts, 6, n_pairs)
        if parts.replicates:
            sums = np.stack([_centred(own) for own in sums])
        total = sums.sum(axis=0)
        sides.append((_fisher(total), np.stack([_fisher(total - own) for own in sums])))
    (a, left_a), (b, left_b) = sides
    out = _judged(a, b, left_a, left_b, parts)
    return Difference(np.tanh(out.a), np.tanh(out.b), out.difference, out.low, out.high, out.p)


def _sums(x: sp.csr_array, rows: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return sums over some cells, which add up: products of both genes, squares of each, each gene, and the cells, (6, n_pairs)."""
    if len(rows) == 0:
        return np.zeros((6, len(i)))
    some = sp.csc_array(x[rows]).astype(np.float64)
    factors, at_i = np.unique(i, return_inverse=True)
    targets, at_j = np.unique(j, return_inverse=True)
    gram = np.asarray((some[:, factors].T @ some[:, targets]).todense())
    sums, squares = (np.asarray(m.sum(axis=0)).ravel() for m in (some, some.multiply(some)))
    return np.stack(
        [gram[at_i, at_j], squares[i], squares[j], sums[i], sums[j], np.full(len(i), len(rows), dtype=float)]
    )


def _centred(sums: np.ndarray) -> np.ndarray:
    """Return sums of products of what differs from the mean, in the same form: the genes add up to nothing."""
    product, square_i, square_j, one, other, n = sums
    n = np.maximum(n, 1)
    return np.stack(
        [product - one * other / n, square_i - one**2 / n, square_j - other**2 / n, *np.zeros((2, len(n))), n]
    )


def _fisher(sums: np.ndarray) -> np.ndarray:
    product, square_i, square_j = _centred(sums)[:3]
    with np.errstate(divide="ignore", invalid="ignore"):
        r = product / np.sqrt(np.maximum(square_i, 0) * np.maximum(square_j, 0))
    r = np.where(np.minimum(square_i, square_j) > 1e-9, r, np.nan)
    return np.arctanh(np.clip(r, -0.999, 0.999))


def mean_difference(values: np.ndarray, parts: Parts) -> Difference:
    """Return the mean of numbers of cells (n_cells, n) in two groups, and their difference."""
    sides = []
    for side in (parts.a, parts.b):
        sums = np.stack([values[rows].sum(axis=0) for rows in side])
        n = np.array([[len(rows)] for rows in side], dtype=float)
        sides.append((sums.sum(axis=0) / n.sum(), (sums.sum(axis=0) - sums) / np.maximum(n.sum() - n, 1)))
    (a, left_a), (b, left_b) = sides
    return _judged(a, b, left_a, left_b, parts)


def random_parts(a: np.ndarray, b: np.ndarray, n_parts: int, rng: np.random.Generator) -> Parts:
    """Return cells in parts at random, those of one group apart from those of the other; their order decides what is drawn."""
    drawn = [np.array_split(rng.permutation(rows), min(n_parts, len(rows))) for rows in (a, b)]
    nothing = np.zeros(0, dtype=np.int64)
    return Parts([*drawn[0], *[nothing] * len(drawn[1])], [*[nothing] * len(drawn[0]), *drawn[1]], replicates=False)


def parts_of(a: np.ndarray, b: np.ndarray, replicate: Sequence[object], least: int) -> tuple[Parts, list[str]]:
    """Return cells by donor, a donor that is in both groups as one part, and the donors that have too few cells in a group.

    Parameters
    ----------
    a, b
        Rows of the groups.
    replicate
        Donor of every cell, (n_cells,); cells without one (NaN, a blank text) are in no part.
    least
        Cells that a donor has in a group, at least; with fewer its cells there are left out.
    """
    donor = as_text(replicate)
    donor[without_value(replicate)] = None
    parts, left = Parts([], []), []
    for name in sorted((set(donor[a]) | set(donor[b])) - {None}):
        mine = [rows[donor[rows] == name] for rows in (a, b)]
        if any(0 < len(rows) < least for rows in mine):
            left.append(name)
        mine = [rows if len(rows) >= least else rows[:0] for rows in mine]
        if any(map(len, mine)):
            parts.a.append(mine[0])
            parts.b.append(mine[1])
    return parts, left
