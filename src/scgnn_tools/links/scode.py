"""``scode``: a linear differential equation along pseudotime; how fast a factor changes a target is the score."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._log import printable
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.links._expression import MIN_CELLS, GeneColumns, read_expression
from scgnn_tools.links._protocol import check_pairs, need_fit

if TYPE_CHECKING:
    from anndata import AnnData

LEAST, MOST = -10.0, 2.0
"""Rates of the hidden variables lie between these, with time from 0 to 1."""

MOST_GENES = 500
"""Genes, the most variable, that cells are put in an order by where no pseudotime is given."""


class SCODE:
    """Linear regulation over pseudotime (Matsumoto et al., Bioinformatics 2017); the labels are not used.

    Parameters
    ----------
    pseudotime
        Column of ``obs`` of the expression, or a number for each cell. None puts the cells in order along their first principal
        component, from cells that express many genes to cells that express few.
    n_hidden
        Hidden variables.
    n_trials
        Rates that are tried, one changed at a time.
    n_repeats
        Searches whose mean is the result.
    rng
        Seed.

    Notes
    -----
    Expression follows ``dx = A x dt``. Few hidden variables ``z`` stand for all genes: ``x = W z`` and ``dz = B z dt``, so that
    ``A = W B W⁺``. ``B`` is diagonal, and ``z`` is an exponential in time for each of its rates. ``W`` is a regression of each gene on
    ``z``; rates are drawn at random, and kept if the residuals fall. Without a time the order along a component is a guess, and so is the
    result.
    """

    def __init__(
        self,
        *,
        pseudotime: "str | Sequence[float] | np.ndarray | None" = None,
        n_hidden: int = 4,
        n_trials: int = 100,
        n_repeats: int = 10,
        rng: RNG = 0,
    ) -> None:
        self._pseudotime, self._seed = pseudotime, seed(rng)
        self._n_hidden, self._n_trials = integer("n_hidden", n_hidden), integer("n_trials", n_trials)
        self._n_repeats = integer("n_repeats", n_repeats)

    def fit(
        self,
        pairs: pd.DataFrame | None = None,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "SCODE":
        """Find the rates, over all genes of ``expression``."""
        columns = read_expression(expression, "scode")
        given = _given(self._pseudotime, expression.obs, columns.n_cells)  # type: ignore[union-attr]
        order = np.argsort(columns.genes.to_numpy(dtype=object), kind="stable")  # as found, whatever the columns' order
        columns = GeneColumns(columns.x[:, order], columns.genes[order])
        time = along_a_component(columns) if given is None else given
        there = np.isfinite(time)
        if there.sum() < MIN_CELLS or np.ptp(time[there]) <= 0:
            msg = (
                f"pseudotime= has to differ over at least {MIN_CELLS} cells; {there.sum():,} of {len(time):,} have one."
            )
            raise InputValueError(msg)
        time = (time[there] - time[there].min()) / np.ptp(time[there])
        x = sp.csr_array(columns.x)[np.flatnonzero(there)]
        self._columns, rng = columns, generator(self._seed)
        searches = range(self._n_repeats)
        found = [
            search(x, time, self._n_hidden, self._n_trials, rng)
            for _ in progress(searches, total=len(searches), what="scode", unit="search")
        ]
        # A of every search is left times right, of rank n_hidden: no gene × gene matrix is made
        self._left = np.concatenate([w * b for w, b in found], axis=1) / len(found)
        self._right = np.concatenate([np.linalg.pinv(w) for w, _ in found], axis=0)
        self._constant = columns.constant()
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return how fast the factor changes the target, without sign: the mean of ``A`` over the searches.

        0 if one of the two is constant, or a factor for itself; NaN if a gene is not in the expression.
        """
        need_fit(self, "_columns")
        pairs = check_pairs(pairs, labelled=False)
        factor, target = self._columns.at(pairs["tf"]), self._columns.at(pairs["target"])
        known = (factor >= 0) & (target >= 0)
        out = np.full(len(pairs), np.nan)
        a, b = factor[known], target[known]
        value = np.abs(np.einsum("pk,kp->p", self._left[b], self._right[:, a]))
        out[known] = np.where(self._constant[a] | self._constant[b] | (a == b), 0.0, value)
        return out


def search(
    x: sp.csr_array, time: np.ndarray, n_hidden: int, n_trials: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each hidden variable in each gene, (n_genes, n_hidden), and the rates, (n_hidden,).

    Parameters
    ----------
    x
        Log-normalised cells, CSR (n_cells, n_genes).
    time
        Of each cell, 0 to 1.
    n_hidden, n_trials
        Hidden variables, and rates that are tried.
    rng
        What draws.
    """
    rates = rng.uniform(LEAST, MOST, n_hidden)
    best, basis = explained(x, time, rates)
    for _ in range(n_trials):
        trial = rates.copy()
        trial[rng.integers(n_hidden)] = rng.uniform(LEAST, MOST)
        gain, other = explained(x, time, trial)
        if gain > best:
            best, rates, basis = gain, trial, other
    axes, back = basis
    return np.asarray(x.T @ axes) @ back.T, rates


def explained(x: sp.csr_array, time: np.ndarray, rates: np.ndarray) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Return the sum of squares that the hidden variables explain, and what gives their weights: axes, and from these to weights."""
    u, s, vt = np.linalg.svd(np.exp(np.outer(time, rates)), full_matrices=False)  # (n_cells, n_hidden)
    fine = s > 1e-6 * s[0]  # equal rates are one
    axes = u[:, fine]
    return float((np.asarray(x.T @ axes) ** 2).sum()), (axes, vt[fine].T / s[fine])


def along_a_component(columns: GeneColumns) -> np.ndarray:
    """Return where each cell lies on the first principal component of the most variable genes, cells of many genes first."""
    mean = np.asarray(columns.x.mean(axis=0)).ravel()
    spread = np.asarray(columns.x.multiply(columns.x).mean(axis=0)).ravel() - mean**2
    some = np.sort(np.argsort(-spread, kind="stable")[:MOST_GENES])
    values = columns.dense(some).astype(np.float64) - mean[some]
    _, vectors = np.linalg.eigh(values.T @ values)
    place = values @ vectors[:, -1]
    n_genes = np.bincount(columns.x.indices, minlength=columns.n_cells).astype(float)
    return -place if ((place - place.mean()) * n_genes).sum() > 0 else place


def _given(
    pseudotime: "str | Sequence[float] | np.ndarray | None", obs: pd.DataFrame, n_cells: int
) -> np.ndarray | None:
    """Return the time of each cell as it was given, float64; NaN for a cell without one."""
    if pseudotime is None:
        return None
    if isinstance(pseudotime, str):
        if pseudotime not in obs:
            there = ", ".join(map(printable, obs.columns[:8])) or "no column of numbers"
            msg = f"obs has no {printable(repr(pseudotime))} for pseudotime=; it has {there}."
            raise MissingKeyError(msg)
        pseudotime = obs[pseudotime]
    try:
        time = np.asarray(pseudotime, dtype=np.float64)
    except (TypeError, ValueError):
        time = np.empty(0)
    if time.shape != (n_cells,):
        msg = (
            f"pseudotime= is a column of obs or a number for each of the {n_cells:,} cells; got {time.size:,} numbers."
        )
        raise InputValueError(msg)
    return np.where(np.isfinite(time), time, np.nan)
