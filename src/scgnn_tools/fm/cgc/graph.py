"""The gene graphs of cells: one graph of all genes, restricted to the genes of each cell, a batch at once."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import numba
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from scgnn_tools.data import Tokens

Thinning = Literal["strongest", "random"] | None

LARGEST_DISTANCE = 50
THINNING = 4
"""Edges a gene from which on co-expression edges are thinned to this many a gene."""


@dataclass(frozen=True)
class CellEdges:
    """Edges of a batch of packed cells, source to target.

    Attributes
    ----------
    source, target
        Tokens, int64 (n_edges,).
    regulates
        1 where the source is a transcription factor of the target, int64 (n_edges,).
    correlation
        Of the two genes' expression, float32 (n_edges,).
    distance
        Genes between them on their chromosome, shifted to 1 … 101, 0 where they are not neighbours, int64 (n_edges,).
    """

    source: Tensor
    target: Tensor
    regulates: Tensor
    correlation: Tensor
    distance: Tensor

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.source)

    @cached_property
    def targets(self) -> "Targets":
        """The tokens at which edges end."""
        nodes, rank, count = torch.unique(self.target, return_inverse=True, return_counts=True)
        return Targets(nodes, rank, count.unsqueeze(-1))


class Targets(NamedTuple):
    """The tokens at which edges end.

    Attributes
    ----------
    nodes
        Tokens, sorted, int64 (n_targets,).
    rank
        Position in ``nodes`` of each edge's target, int64 (n_edges,).
    incoming
        Edges that end there, int64 (n_targets, 1).
    """

    nodes: Tensor
    rank: Tensor
    incoming: Tensor


@dataclass(frozen=True)
class GeneGraph:
    """Edges between all genes of a vocabulary, CSR by source; attributes beside the targets, as in :class:`CellEdges`."""

    offsets: np.ndarray
    targets: np.ndarray
    regulates: np.ndarray
    correlation: np.ndarray
    distance: np.ndarray

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.targets)

    def of_cells(
        self,
        tokens: Tokens,
        gene: np.ndarray,
        device: torch.device | str = "cpu",
        *,
        both_ways: bool = False,
        thinning: Thinning = "strongest",
    ) -> CellEdges:
        """Return the edges between the genes of each cell, and one from each gene to its cell's token.

        Parameters
        ----------
        tokens
            Packed cells whose first token is the cell token; a cell without one has the edges between its genes alone.
        gene
            Gene of each token, -1 for the cell token, int64 (n_tokens,).
        device
            Of the result.
        both_ways
            Whether there is an edge from the cell's token to each gene too.
        thinning
            Which co-expression edges a crowded cell keeps, four a gene: the strongest, or some at random, in proportion to their size,
            the same ones in every cell that has the same candidates; None keeps all.
        """
        begin, source, target, edge = within_cells(tokens.offsets, gene, self.offsets, self.targets)
        keep = None if thinning is None else self._thin(tokens, begin, edge, thinning)
        if keep is not None:
            source, target, edge = source[keep], target[keep], edge[keep]
        begins = np.repeat(tokens.offsets[:-1], tokens.lengths)
        genes = np.flatnonzero(
            (gene >= 0) & (gene[begins] < 0)
        )  # where a cell begins with a gene, it has no token of its own
        cell = begins[genes]
        genes, cell = (np.concatenate([genes, cell]), np.concatenate([cell, genes])) if both_ways else (genes, cell)
        zeros = np.zeros(len(genes))

        def put(a: np.ndarray, b: np.ndarray, kind: type) -> Tensor:
            return torch.as_tensor(np.concatenate([a, b]).astype(kind), device=device)

        return CellEdges(
            put(source, genes, np.int64),
            put(target, cell, np.int64),
            put(self.regulates[edge], zeros, np.int64),
            put(self.correlation[edge], zeros, np.float32),
            put(self.distance[edge], zeros, np.int64),
        )

    def _thin(self, tokens: Tokens, begin: np.ndarray, edge: np.ndarray, thinning: Thinning) -> np.ndarray | None:
        """Keep some of the co-expression edges where there are very many, and all others; None keeps all."""
        only = (self.regulates[edge] == 0) & (self.distance[edge] == 0)
        most = THINNING * tokens.lengths
        crowded = np.flatnonzero((np.diff(begin) > most) & (np.add.reduceat(np.append(only, 0), begin[:-1]) > most))
        if len(crowded) == 0:
            return None
        keep = np.ones(len(edge), dtype=bool)
        for cell in crowded:
            a, b = begin[cell], begin[cell + 1]
            candidates = a + np.flatnonzero(only[a:b])
            rank = np.abs(self.correlation[edge[candidates]])
            if (
                thinning == "random"
            ):  # the first of a race are a draw without replacement (Efraimidis and Spirakis 2006)
                rank = -_waits(self.n_edges)[edge[candidates]] / np.maximum(rank, np.finfo(np.float32).tiny)
            keep[candidates] = False
            keep[candidates[np.argsort(-rank, kind="stable")[: most[cell]]]] = True
        return keep


@lru_cache(maxsize=2)
def _waits(n_edges: int) -> np.ndarray:
    """Return an exponential number an edge, always the same: what a cell keeps does not depend on when it is looked at."""
    return np.random.default_rng(0).exponential(size=n_edges)


def within_cells(
    cells: np.ndarray, gene: np.ndarray, offsets: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the edges of a graph of all genes that lie between two genes of one cell.

    Parameters
    ----------
    cells
        Where each cell begins, int64 (n_cells + 1,).
    gene
        Gene of each token, -1 for what is no gene, int64 (n_tokens,).
    offsets, targets
        The graph, CSR by source.

    Returns
    -------
    begin, source, target, edge
        Where the edges of each cell begin; tokens at their ends; their position in ``targets``; int64.
    """
    begin = np.concatenate([[0], np.cumsum(_count(cells, gene, offsets, targets))])
    source, target, edge = (np.empty(begin[-1], dtype=np.int64) for _ in range(3))
    _fill(cells, gene, offsets, targets, begin, source, target, edge)
    return begin, source, target, edge


def gene_graph(
    genes: np.ndarray,
    *,
    tf_target: pd.DataFrame | None,
    positions: pd.DataFrame | None,
    coexpression: sp.csr_array | None = None,
) -> GeneGraph:
    """Return the graph of a vocabulary from its sources; any of them may be missing.

    Parameters
    ----------
    genes
        The vocabulary, shape (n_genes,).
    tf_target
        Columns ``source`` and ``target``.
    positions
        Columns ``symbol``, ``chromosome`` and ``position``, the rank along the chromosome; neighbours are fewer than 50 genes apart.
    coexpression
        Correlations of genes, CSR (n_genes, n_genes), only those that make an edge; its values are the edges' attribute.
    """
    n = len(genes)
    index = pd.Index(genes)
    parts = []
    if tf_target is not None:
        source, target = index.get_indexer(tf_target["source"]), index.get_indexer(tf_target["target"])
        inside = (source >= 0) & (target >= 0)
        parts.append((source[inside], target[inside], "regulates", np.ones(inside.sum())))
    if positions is not None:
        source, target, shift = _neighbours(index, positions)
        parts.append((source, target, "distance", shift + LARGEST_DISTANCE + 1))
    if coexpression is not None:
        coo = sp.coo_array(coexpression)
        keep = coo.row != coo.col
        parts.append((coo.row[keep], coo.col[keep], "correlation", coo.data[keep]))
    if not parts or not sum(len(p[0]) for p in parts):
        return GeneGraph(np.zeros(n + 1, dtype=np.int64), *(np.zeros(0, dtype=np.int64) for _ in range(4)))
    keys = [p[0].astype(np.int64) * n + p[1] for p in parts]
    edges = np.unique(np.concatenate(keys))
    columns = {"regulates": np.zeros(len(edges)), "distance": np.zeros(len(edges)), "correlation": np.zeros(len(edges))}
    for key, (*_, word, values) in zip(keys, parts, strict=True):
        columns[word][np.searchsorted(edges, key)] = values
    offsets = np.concatenate([[0], np.cumsum(np.bincount(edges // n, minlength=n))])
    return GeneGraph(
        offsets,
        (edges % n).astype(np.int32),
        columns["regulates"].astype(np.int8),
        columns["correlation"].astype(np.float32),
        columns["distance"].astype(np.int8),
    )


def _neighbours(index: pd.Index, positions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of genes that are fewer than 50 genes apart, and by how many the target lies behind the source."""
    place = positions.assign(gene=index.get_indexer(positions["symbol"]))
    place = place[place["gene"] >= 0].sort_values(["chromosome", "position"], kind="stable")
    chromosome = pd.factorize(place["chromosome"])[0]
    rank, gene = place["position"].to_numpy(dtype=np.int64), place["gene"].to_numpy()
    sources, targets, shifts = [], [], []
    for step in range(1, len(place)):
        distance = rank[step:] - rank[:-step]
        near = (chromosome[step:] == chromosome[:-step]) & (distance < LARGEST_DISTANCE)
        if not near.any():
            break
        near &= distance > 0
        a, b, d = gene[:-step][near], gene[step:][near], distance[near]
        sources += [a, b]
        targets += [b, a]
        shifts += [d, -d]
    if not sources:
        return tuple(np.zeros(0, dtype=np.int64) for _ in range(3))  # type: ignore[return-value]
    return np.concatenate(sources), np.concatenate(targets), np.concatenate(shifts)


@numba.njit(cache=True, nogil=True)
def _count(
    cells: np.ndarray, gene: np.ndarray, offsets: np.ndarray, targets: np.ndarray
) -> np.ndarray:  # pragma: no cover (compiled)
    slot = np.full(len(offsets), -1, dtype=np.int64)
    out = np.zeros(len(cells) - 1, dtype=np.int64)
    for cell in range(len(cells) - 1):
        for t in range(cells[cell], cells[cell + 1]):
            if gene[t] >= 0:
                slot[gene[t]] = cell
        for t in range(cells[cell], cells[cell + 1]):
            if gene[t] >= 0:
                for e in range(offsets[gene[t]], offsets[gene[t] + 1]):
                    out[cell] += slot[targets[e]] == cell
    return out


@numba.njit(cache=True, nogil=True)
def _fill(
    cells: np.ndarray, gene: np.ndarray, offsets: np.ndarray, targets: np.ndarray, begin: np.ndarray,
    source: np.ndarray, target: np.ndarray, edge: np.ndarray,
) -> None:  # fmt: skip # pragma: no cover (compiled)
    slot = np.full(len(offsets), -1, dtype=np.int64)
    for cell in range(len(cells) - 1):
        first, end = cells[cell], cells[cell + 1]
        for t in range(first, end):
            if gene[t] >= 0:
                slot[gene[t]] = t
        at = begin[cell]
        for t in range(first, end):
            if gene[t] >= 0:
                for e in range(offsets[gene[t]], offsets[gene[t] + 1]):
                    there = slot[targets[e]]
                    if there >= first:
                        source[at], target[at], edge[at] = t, there, e
                        at += 1
