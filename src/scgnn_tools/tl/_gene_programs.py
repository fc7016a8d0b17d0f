"""``tl.gene_programs``: groups of genes whose vectors are alike, and how much each group of cells expresses them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer, number
from scgnn_tools._columns import column_of
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._keys import ProgramKeys
from scgnn_tools._log import printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_apart, check_key
from scgnn_tools._random import RNG, igraph_seed, seed
from scgnn_tools.data import Expression, open_expression
from scgnn_tools.gene_tasks.vectors import gene_vectors
from scgnn_tools.graph import cosine_topk
from scgnn_tools.metrics import eta2

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

FIRST_RESOLUTION = 40.0
NAMED = 4
"""Genes that stand for a program."""

COLUMNS = 64
"""Programs whose means over groups are made at a time."""


@door
def gene_programs(
    adata: "AnnData | MuData",
    *,
    use_rep: str | None = None,
    groupby: str | None = None,
    genes: "list[str] | str | None" = None,
    n_neighbors: int = 15,
    resolution: float | Literal["auto"] = "auto",
    min_genes: int = 5,
    layer: str | None = None,
    gene_key: str | None = None,
    rng: RNG = 0,
    mod: str = RNA,
    key_added: str = "sgt_programs",
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Group genes into programs: similarity graph of their vectors, then Leiden.

    Parameters
    ----------
    adata
        Cells × genes, after :func:`scgnn_tools.tl.embed`.
    use_rep
        Key of ``varm`` with gene vectors; None takes the last embedding.
    groupby
        Column of ``obs``, for example the cell type: the mean expression of each program in each group.
    genes
        Names of genes, or a boolean column of ``var``, to work on; None takes "highly_variable" if that is there, else all genes with
        a vector that a cell expresses.
    n_neighbors
        Most similar genes, by cosine, that each gene is linked to.
    resolution
        Of Leiden; higher gives smaller programs. "auto" takes 40 as in the papers, for programs of a few genes, and halves it until
        there are two programs: a panel of a few hundred genes has none at 40.
    min_genes
        Smaller groups are no programs.
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    rng
        Seed of Leiden.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.var[key_added]``
        Categorical: the program of each gene, "P1" the largest; missing for genes in none.
    ``adata.obsm[key_added]``
        DataFrame float32 (n_obs, n_programs): mean of the genes' log-normalised expression, each scaled to the highest that a cell has.
    ``adata.uns[key_added]``
        dict: ``scores`` (DataFrame groups × programs, means of ``obsm``; with ``groupby`` only), ``separation`` and ``params``. The rows
        of ``separation`` are the programs: ``n_genes``; ``top_genes``, the most expressed ones; ``cohesion``, the mean cosine within
        minus the mean to other genes; with ``groupby`` ``eta2``, the share of the score's variance that lies between groups, beside
        ``eta2_random``, that of random genes of like expression.

    Raises
    ------
    MissingKeyError, InputValueError
        Before anything is written.

    Notes
    -----
    Source: Cui et al., Nature Methods 2024 (scGPT); Fang et al., bioRxiv 2024.06.04.597354.

    Examples
    --------
    >>> sgt.tl.gene_programs(adata, groupby="cell_type")
    >>> adata.var["sgt_programs"].cat.categories[:2].tolist()
    ['P1', 'P2']
    >>> adata.uns["sgt_programs"]["scores"].index.tolist()[:2]
    ['B cell', 'CD14+ monocyte']
    """
    whole, adata = adata, modality(adata, mod)
    check_writable(whole, copy=copy, mod=mod)
    keys = ProgramKeys(check_key(key_added))
    check_own(adata, keys)
    grouped = None if groupby is None else column_of(adata.obs, groupby, "groupby")
    if isinstance(genes, str):
        check_apart([keys.var], genes=genes)
    n_neighbors, min_genes = integer("n_neighbors", n_neighbors), integer("min_genes", min_genes)
    if resolution != "auto":
        resolution = number("resolution", resolution, above=0)
    rep, vectors, _ = gene_vectors(adata, use_rep, gene_key, symbols=False)
    expression = _own_genes(open_expression(adata, layer=layer, every_feature=True), adata)
    chosen = _chosen(adata, vectors, genes, expression)
    by_name = np.argsort(adata.var_names.to_numpy(str), kind="stable")  # so that the order of the genes decides nothing
    chosen = by_name[np.isin(by_name, chosen)]
    program = np.full(adata.n_vars, -1)
    program[chosen], resolution = _programs(vectors[chosen], n_neighbors, resolution, min_genes, seed(rng))
    n = program.max() + 1
    if n == 0:
        msg = f"No group of {min_genes} genes at resolution {resolution:g}. Pass a lower resolution or a smaller min_genes."
        raise InputValueError(msg)
    names = [f"P{i + 1}" for i in range(n)]
    peak, mean = expression.peak_and_mean
    between = like = None
    if grouped is not None:
        groups = grouped.astype("category").cat.remove_unused_categories()
        between = _Between(groups.cat.codes.to_numpy(), n)
        like = _like(program, by_name, mean, np.random.default_rng(seed(rng)))
    scores = _scores(expression, program, peak, n, like, between)
    separation = pd.DataFrame({"n_genes": np.bincount(program[program >= 0])}, index=names)
    separation["top_genes"] = [", ".join(adata.var_names[_top(np.flatnonzero(program == i), mean)]) for i in range(n)]
    separation["cohesion"] = _cohesion(vectors, program)
    result: dict[str, Any] = {}
    table = pd.DataFrame(scores, columns=names, index=adata.obs_names)
    if between is not None:
        separation["eta2"] = eta2(scores, groups.cat.codes.to_numpy())
        separation["eta2_random"] = between.eta2()
        result["scores"] = _means(table, groups)
    params = {"use_rep": rep, "groupby": groupby or "", "n_neighbors": n_neighbors, "resolution": float(resolution)}
    result |= {"separation": separation, "params": {**params, "min_genes": min_genes, "matrix": expression.name}}
    fields = {
        "var": {keys.var: pd.Categorical.from_codes(program, names)},
        "obsm": {keys.obsm: table},
        "uns": {keys.uns: result},
    }
    changed = write(whole, fields, copy=copy, mod=mod)
    more = ""
    if groupby is not None:
        more = f"; {(separation['eta2'] > separation['eta2_random']).mean():.0%} differ more between {groupby} than random genes do"
    say(
        f"gene_programs: {n} programs of {int((program >= 0).sum()):,} genes ({rep}){more} -> var['{keys.var}'], uns['{keys.uns}']"
    )
    return changed


@dataclass(frozen=True)
class _Own:
    """The genes of the object out of a matrix that has more, such as ``raw``; cells are normalised over all of them."""

    expression: Expression
    columns: np.ndarray
    n_obs: int
    name: str

    def lognorm_rows(self) -> Iterator[tuple[int, sp.csr_array]]:
        for start, block in self.expression.lognorm_rows():
            yield start, sp.csr_array(block[:, self.columns])

    @cached_property
    def peak_and_mean(self) -> tuple[np.ndarray, np.ndarray]:
        """The highest and the mean log-normalised value of each gene, in one pass over the cells."""
        peak, total = np.zeros(len(self.columns)), np.zeros(len(self.columns))
        for _, block in self.lognorm_rows():
            np.maximum.at(peak, block.indices, block.data)
            total += np.asarray(block.sum(axis=0)).ravel()
        return peak, total / self.n_obs


def _own_genes(expression: Expression, adata: "AnnData") -> _Own:
    columns = np.arange(adata.n_vars)
    if expression.name == "raw":
        names = pd.Index(expression.var.index.astype(str))
        first = pd.Series(np.arange(len(names)), index=names)[~names.duplicated()]
        there = first.reindex(adata.var_names.astype(str))
        if there.isna().any():
            lost = printable(there.index[there.isna()][0])
            msg = f"raw lacks {int(there.isna().sum()):,} genes of the object ({lost}, …). Pass layer= for a matrix over its own genes."
            raise InputValueError(msg)
        columns = there.to_numpy(dtype=np.int64)
    return _Own(expression, columns, expression.n_obs, expression.name)


def _programs(
    vectors: np.ndarray, n_neighbors: int, resolution: float | str, min_genes: int, seed: int
) -> tuple[np.ndarray, float]:
    """Return the program of each gene and the resolution, which "auto" halves from 40 on until there are two programs."""
    if resolution != "auto":
        return cluster(vectors, n_neighbors, float(resolution), min_genes, seed), float(resolution)
    at = FIRST_RESOLUTION
    while True:
        found = cluster(vectors, n_neighbors, at, min_genes, seed)
        if found.max() >= 1 or at < 0.5:
            return found, at
        at /= 2


def cluster(vectors: np.ndarray, n_neighbors: int, resolution: float, min_genes: int, seed: int) -> np.ndarray:
    """Return the program of each gene, largest first, -1 for genes in a small group, int64 (n,)."""
    import igraph

    links = cosine_topk(vectors, n_neighbors)
    both = sp.coo_array(sp.triu(links.maximum(links.T), k=1))
    graph = igraph.Graph(len(vectors), list(zip(both.row.tolist(), both.col.tolist(), strict=True)))
    with igraph_seed(seed):
        found = graph.community_leiden(
            objective_function="modularity", weights=both.data.tolist(), resolution=resolution, n_iterations=10
        )
    label = np.array(found.membership)
    sizes = np.bincount(label, minlength=1)
    order = np.argsort(-sizes, kind="stable")
    rank = np.full(len(sizes), -1)
    large = order[sizes[order] >= min_genes]
    rank[large] = np.arange(len(large))
    return rank[label]


def _chosen(adata: "AnnData", vectors: np.ndarray, genes: "list[str] | str | None", expression: _Own) -> np.ndarray:
    known = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).sum(axis=1) > 0)
    if genes is None:
        wanted = (
            adata.var["highly_variable"].to_numpy(bool)
            if "highly_variable" in adata.var
            else expression.peak_and_mean[1] > 0
        )
    elif isinstance(genes, str):
        flags = column_of(adata.var, genes, "genes", "var")
        if flags.dtype != bool:
            msg = f"genes={printable(genes)!r} is no boolean column of var, but of {flags.dtype}. Pass one, or a list of names."
            raise InputTypeError(msg)
        wanted = flags.to_numpy()
    else:
        missing = [g for g in genes if g not in adata.var_names]
        if missing:
            msg = f"{len(missing)} of {len(genes)} genes are not in var_names, for example {printable(missing[0])!r}."
            raise MissingKeyError(msg)
        wanted = adata.var_names.isin(genes)
    out = np.flatnonzero(known & wanted)
    if len(out) < 3:
        msg = f"{len(out)} of the chosen genes have a vector; at least 3 are wanted."
        raise InputValueError(msg)
    return out


def _scores(
    expression: _Own, program: np.ndarray, peak: np.ndarray, n: int, like: np.ndarray | None, between: "_Between | None"
) -> np.ndarray:
    """Return the scores of the cells, float32 (n_obs, n), in one pass; those of the random genes ``like`` go into ``between``."""
    own, random = (None if p is None else _to_programs(p, peak, n) for p in (program, like))
    out = np.empty((expression.n_obs, n), dtype=np.float32)  # filled block by block: nothing is there twice
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


def _means(table: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Return the mean of each column in each group; some columns at a time, because pandas copies them."""
    columns = range(0, table.shape[1], COLUMNS)
    parts = [table.iloc[:, s : s + COLUMNS].groupby(groups.to_numpy(), observed=True).mean() for s in columns]
    out = pd.concat(parts, axis=1)
    return out.set_axis(out.index.astype(str))


def _to_programs(program: np.ndarray, peak: np.ndarray, n: int) -> sp.csr_array:
    """Return the weight of each gene in its program, CSR float32 (n_vars, n)."""
    at = np.flatnonzero((program >= 0) & (peak > 0))
    weight = 1 / (peak[at] * np.maximum(np.bincount(program[program >= 0], minlength=n), 1)[program[at]])
    return sp.csr_array((weight.astype(np.float32), (at, program[at])), shape=(len(program), n))


def _top(genes: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return genes[np.argsort(-mean[genes], kind="stable")[:NAMED]]


def _cohesion(vectors: np.ndarray, program: np.ndarray) -> np.ndarray:
    unit = vectors[program >= 0] / np.linalg.norm(vectors[program >= 0], axis=1, keepdims=True)
    program = program[program >= 0]
    total, out = unit.sum(axis=0), []
    for p in range(program.max() + 1):
        own = unit[program == p]
        m, rest = len(own), len(unit) - len(own)
        inside = ((own.sum(axis=0) ** 2).sum() - m) / (m * (m - 1)) if m > 1 else np.nan
        outside = own.sum(axis=0) @ (total - own.sum(axis=0)) / (m * rest) if rest else 0.0
        out.append(inside - outside)
    return np.array(out)


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
