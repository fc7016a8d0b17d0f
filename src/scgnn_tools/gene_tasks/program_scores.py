"""How much each cell expresses each program, and whether groups of cells differ more in it than in random genes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._random import RNG, seed
from scgnn_tools.gene_tasks.own_genes import OwnGenes
from scgnn_tools.gene_tasks.programs import cohesion
from scgnn_tools.metrics import eta2

NAMED = 4
"""Genes that stand for a program."""

COLUMNS = 64
"""Programs whose means over groups are made at a time."""


@dataclass(frozen=True)
class ProgramScores:
    """Programs in cells.

    Attributes
    ----------
    cells
        Score of each program in each cell, float32 (n_obs, n_programs).
    eta2, eta2_random
        Share of the score's variance that lies between groups of cells, and that of random genes of like expression, (n_programs,);
        None without groups.
    """

    cells: np.ndarray
    eta2: np.ndarray | None = None
    eta2_random: np.ndarray | None = None


def score_programs(
    expression: OwnGenes, program: np.ndarray, codes: np.ndarray | None, order: np.ndarray, rng: RNG
) -> ProgramScores:
    """Score programs in cells: the mean of the genes' log-normalised expression, each scaled to the highest that a cell has.

    Parameters
    ----------
    expression
        The cells.
    program
        Program of each gene, -1 for none, (n_genes,); there is one at least.
    codes
        Group of each cell, -1 for none, (n_obs,); None asks for no groups.
    order
        The genes in the order in which random ones are drawn, (n_genes,).
    rng
        Seed of the random genes; nothing is drawn without groups.
    """
    n = int(program.max()) + 1
    peak, mean = expression.peak_and_mean
    if codes is None:
        return ProgramScores(_scores(expression, _to_programs(program, peak, n)))
    between = _Between(codes, n)
    like = _like(program, order, mean, np.random.default_rng(seed(rng)))
    cells = _scores(expression, _to_programs(program, peak, n), _to_programs(like, peak, n), between)
    return ProgramScores(cells, eta2(cells, codes), between.eta2())


def separation_of(
    genes: pd.Index, vectors: np.ndarray, program: np.ndarray, mean: np.ndarray, scores: ProgramScores
) -> pd.DataFrame:
    """Return what is known of each program, a row each: size, the most expressed genes, cohesion and, with groups, ``eta2``.

    Parameters
    ----------
    genes
        Names.
    vectors, program, mean
        Of each gene: the vector that the programs were made of, the program and the mean expression.
    scores
        Of :func:`score_programs`.
    """
    sizes = np.bincount(program[program >= 0])
    out = pd.DataFrame({"n_genes": sizes}, index=[f"P{i + 1}" for i in range(len(sizes))])
    out["top_genes"] = [", ".join(genes[_top(np.flatnonzero(program == i), mean)]) for i in range(len(sizes))]
    out["cohesion"] = cohesion(vectors, program)
    if scores.eta2 is not None:
        out["eta2"], out["eta2_random"] = scores.eta2, scores.eta2_random
    return out


def means_of_groups(table: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Return the mean of each column in each group; some columns at a time, because pandas copies them."""
    columns = range(0, table.shape[1], COLUMNS)
    parts = [table.iloc[:, s : s + COLUMNS].groupby(groups.to_numpy(), observed=True).mean() for s in columns]
    out = pd.concat(parts, axis=1)
    return out.set_axis(out.index.astype(str))


def _scores(
    expression: OwnGenes, own: sp.csr_array, random: sp.csr_array | None = None, between: "_Between | None" = None
) -> np.ndarray:
    """Return the scores of the cells, float32 (n_obs, n), in one pass; those of the ``random`` genes go into ``between``."""
    out = np.empty((expression.n_obs, own.shape[1]), dtype=np.float32)  # filled block by block: nothing is there twice
    for start, block in expression.lognorm_rows():
        out[start : start + block.shape[0]] = (block @ own).toarray()
        if between is not None:
            between.add((block @ random).toarray(), start)
    return out


class _Between:
    """What :func:`scgnn_tools.metrics.eta2` says of scores that are added up by group and not kept.

    Parameters
    ----------
    codes
        Group of each cell, -1 for none.
    n
        Programs.
    """

    def __init__(self, codes: np.ndarray, n: int) -> None:
        self._codes, n_groups = codes, int(codes.max(initial=-1)) + 1
        self._size = np.bincount(codes[codes >= 0], minlength=n_groups)[:, None]
        self._sums, self._squares = np.zeros((n_groups, n)), np.zeros(n)

    def add(self, scores: np.ndarray, start: int) -> None:
        """Take in the scores of the cells from ``start`` on, (n_some, n)."""
        codes = self._codes[start : start + len(scores)]
        for group in np.unique(codes[codes >= 0]):
            own = scores[codes == group].astype(np.float64)
            self._sums[group] += own.sum(axis=0)
            self._squares += (own**2).sum(axis=0)

    def eta2(self) -> np.ndarray:
        """Return the share of each program's variance that lies between groups, (n,)."""
        n = max(1, int(self._size.sum()))
        mean = self._sums.sum(axis=0) / n
        total = self._squares - n * mean**2
        between = ((self._sums - self._size * mean) ** 2 / np.maximum(self._size, 1)).sum(axis=0)
        return np.divide(between, total, out=np.zeros_like(total), where=total > 1e-12 * self._squares)


def _to_programs(program: np.ndarray, peak: np.ndarray, n: int) -> sp.csr_array:
    """Return the weight of each gene in its program, CSR float32 (n_vars, n)."""
    at = np.flatnonzero((program >= 0) & (peak > 0))
    weight = 1 / (peak[at] * np.maximum(np.bincount(program[program >= 0], minlength=n), 1)[program[at]])
    return sp.csr_array((weight.astype(np.float32), (at, program[at])), shape=(len(program), n))


def _top(genes: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return genes[np.argsort(-mean[genes], kind="stable")[:NAMED]]


def _like(program: np.ndarray, order: np.ndarray, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return programs of random genes: each gene is replaced by one of the 50 nearest in mean expression."""
    candidates = order[mean[order] > 0]
    ordered = candidates[np.argsort(mean[candidates], kind="stable")]
    out = np.full(len(program), -1)
    for gene in rng.permutation(order[program[order] >= 0]):
        near = np.searchsorted(mean[ordered], mean[gene])
        pool = ordered[max(0, near - 25) : near + 25]
        free = pool[out[pool] < 0]
        if len(free):
            out[rng.choice(free)] = program[gene]
    return out
