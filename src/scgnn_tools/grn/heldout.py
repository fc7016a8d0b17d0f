"""How well a network's factors tell the expression of their targets in cells that were held out; no known edge is needed for that."""

from dataclasses import dataclass

import numba
import numpy as np
import scipy.sparse as sp

from scgnn_tools._random import RNG, generator
from scgnn_tools.grn.evidence import BLOCK, Standardised

RIDGE = 0.1
ROUNDS = 20
N_REWIRED = 5


@dataclass(frozen=True)
class HeldOut:
    """Share of the variance of targets in held-out cells that is explained, mean over targets.

    Attributes
    ----------
    network
        By the factors of the network.
    rewired
        By those of networks with as many edges of each factor and each target, mean; ``low`` and ``high``, the least and the most of them.
    components
        By as many principal components of all factors as a target has factors.
    n_targets
        Targets that are judged: those that are no factors.
    """

    network: float
    rewired: float
    low: float
    high: float
    components: float
    n_targets: int

    @property
    def gain(self) -> float:
        """What the network explains beyond rewired ones."""
        return self.network - self.rewired


def held_out_cells(
    train: sp.csr_array, test: sp.csr_array, tfs: np.ndarray, edges: tuple[np.ndarray, np.ndarray], *,
    n_rewired: int = N_REWIRED, rng: RNG = 0,
) -> HeldOut:  # fmt: skip
    """Regress each target on its factors in some cells, and predict it in others.

    Parameters
    ----------
    train, test
        Log-normalised cells, (n_cells, n_genes); the network has to come from ``train`` alone.
    tfs
        Columns of the factors.
    edges
        Number of the factor (in ``tfs``) and column of the target of each edge.
    n_rewired
        Rewired networks.
    rng
        Seed of the rewiring.
    """
    rng = generator(rng)
    tf, target = (np.asarray(e, dtype=np.int64) for e in edges)
    judged = ~np.isin(target, tfs)
    tf, target = tf[judged], target[judged]
    if not len(tf):
        nothing = float("nan")
        return HeldOut(nothing, nothing, nothing, nothing, nothing, 0)
    genes, at = np.unique(target, return_inverse=True)
    moments = _Moments(train, test, tfs, genes)
    own = moments.explained(tf, at)
    others = [float(np.mean(moments.explained(*rewired(tf, at, rng=rng)))) for _ in range(n_rewired)]
    components = moments.explained_by_components(np.bincount(at, minlength=len(genes)))
    return HeldOut(
        float(own.mean()), float(np.mean(others)), min(others), max(others), float(components.mean()), len(genes)
    )


def rewired(tf: np.ndarray, target: np.ndarray, *, rounds: int = ROUNDS, rng: RNG = 0) -> tuple[np.ndarray, np.ndarray]:
    """Swap targets between edges, keeping the number of edges of every factor and every target, and no edge twice."""
    factors, i = np.unique(tf, return_inverse=True)
    genes, j = np.unique(target, return_inverse=True)
    there = np.zeros((len(factors), len(genes)), dtype=np.bool_)
    there[i, j] = True
    return tf, genes[_swapped(i, j.copy(), there, rounds, generator(rng))]


@numba.njit(cache=True, nogil=True)
def _swapped(
    tf: np.ndarray, to: np.ndarray, there: np.ndarray, rounds: int, rng: np.random.Generator
) -> np.ndarray:  # pragma: no cover (compiled)
    n = len(tf)
    for _ in range(rounds * (n // 2)):
        a, b = int(rng.random() * n), int(rng.random() * n)
        if (
            there[tf[a], to[b]] or there[tf[b], to[a]]
        ):  # the same edge, factor or target, or one that would be there twice
            continue
        there[tf[a], to[a]] = there[tf[b], to[b]] = False
        to[a], to[b] = to[b], to[a]
        there[tf[a], to[a]] = there[tf[b], to[b]] = True
    return to


class _Moments:
    """Products of factors and targets in both sets of cells: all that regressions need."""

    def __init__(self, train: sp.csr_array, test: sp.csr_array, tfs: np.ndarray, genes: np.ndarray) -> None:
        self.among, self.with_targets = [], []
        for cells in (train, test):
            values = Standardised(cells)
            factors = values(tfs)
            parts = [factors.T @ values(genes[s : s + BLOCK]) for s in range(0, len(genes), BLOCK)]
            self.among.append((factors.T @ factors).astype(np.float64))
            self.with_targets.append(np.concatenate(parts, axis=1).astype(np.float64))

    def explained(self, tf: np.ndarray, at: np.ndarray) -> np.ndarray:
        order = np.argsort(at, kind="stable")
        some = np.split(tf[order], np.flatnonzero(np.diff(at[order])) + 1)
        return np.array([self._of(f, t) for t, f in zip(np.unique(at), some, strict=True)])

    def explained_by_components(self, ranks: np.ndarray) -> np.ndarray:
        _, vectors = np.linalg.eigh(self.among[0])
        vectors = vectors[:, ::-1]
        among = [vectors.T @ g @ vectors for g in self.among]
        with_targets = [vectors.T @ c for c in self.with_targets]
        out = np.empty(len(ranks))
        for t, k in enumerate(ranks):
            b = np.linalg.solve(among[0][:k, :k] + RIDGE * np.eye(k), with_targets[0][:k, t])
            out[t] = 2 * b @ with_targets[1][:k, t] - b @ among[1][:k, :k] @ b
        return out

    def _of(self, f: np.ndarray, t: int) -> float:
        square = np.ix_(f, f)
        b = np.linalg.solve(self.among[0][square] + RIDGE * np.eye(len(f)), self.with_targets[0][f, t])
        return float(2 * b @ self.with_targets[1][f, t] - b @ self.among[1][square] @ b)
