"""A knock-out in each group of cells: cells over the genes of the network, and what is gathered over the groups."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import open_expression
from scgnn_tools.data.order import by_content
from scgnn_tools.grn.checks import MIN_CELLS
from scgnn_tools.grn.signal import Regressions, SmoothedCells, loadings_of, on_the_way, rewired_shifts, shifts
from scgnn_tools.grn.smoothing import MOST_CELLS, neighbour_means

if TYPE_CHECKING:
    from anndata import AnnData

EVERY = "all cells"
"""What the cells of a network without groups are called."""

COMPONENTS = 30
SHOWN_GENES = 50


@dataclass(frozen=True)
class NetworkCells:
    """The cells over the genes of the network.

    Attributes
    ----------
    cells
        All of them.
    fit
        Means at up to 5,000 cells, that weights and components are found in, CSC (n_means, n_genes).
    most
        Largest value of each gene among them.
    genes
        Names of the columns.
    places
        Where each cell is, in principal components.
    rank
        Place of each cell in an order by content, which cells are drawn from.
    matrix
        What was read.
    """

    cells: SmoothedCells
    fit: sp.csc_array
    most: np.ndarray
    genes: pd.Index
    places: np.ndarray
    rank: np.ndarray
    matrix: str

    @classmethod
    def of(cls, adata: "AnnData", edges: pd.DataFrame, layer: str | None, number: int) -> "NetworkCells":
        """Read the cells over the genes that edges name."""
        expression = open_expression(adata, layer=layer)
        index = expression.var.index.astype(str)
        named = pd.unique(pd.concat([edges["source"], edges["target"]]).astype(str).to_numpy(dtype=object))
        # by name, so that where a gene stands decides neither components nor what is drawn
        by_name = np.argsort(index.to_numpy(dtype=str), kind="stable")
        every, index = expression.log_normalized()[:, by_name], index[by_name]
        some = np.flatnonzero(~index.duplicated() & index.isin(named))
        if len(some) < 2 or every.shape[0] < MIN_CELLS:
            msg = f"{expression.name} holds {len(some)} genes of the network in {every.shape[0]} cells; 2 and {MIN_CELLS} are wanted."
            raise InputValueError(msg)
        order = by_content(every)
        rank = np.argsort(order)
        means = sp.csr_array(neighbour_means(every[order], most=None, rng=number)[rank][:, rank])
        raw = sp.csc_array(sp.csc_array(every)[:, some])
        drawn = order[np.sort(np.random.default_rng(number).permutation(len(order))[:MOST_CELLS])]
        fit = sp.csc_array(means[drawn] @ raw)
        loadings = loadings_of(fit, COMPONENTS, number)
        places = np.asarray(means @ np.asarray(raw @ loadings))
        most = np.asarray(fit.max(axis=0).todense()).ravel()
        genes, places = pd.Index(index[some]), places - places.mean(axis=0)
        return cls(SmoothedCells(means, raw, loadings), fit, most, genes, places, rank, expression.name)

    def column(self, gene: str) -> int:
        """Return the column of a gene, -1 if there is none."""
        return int(self.genes.get_indexer([gene])[0])

    def moments(self, factors: np.ndarray, rows: np.ndarray | None = None) -> Regressions:
        """Return what regressions on factors need, of all cells or of some."""
        if rows is None:
            return Regressions(self.fit, factors)
        return Regressions(sp.csc_array(self.cells.means[rows[:MOST_CELLS]] @ self.cells.raw), factors)


class Moved:
    """What is gathered over the groups."""

    def __init__(self, data: NetworkCells, edges: pd.DataFrame) -> None:
        self.shift = np.full(data.places.shape, np.nan)
        factors = data.genes.get_indexer(edges["source"].astype(str).unique())
        self.factors = np.sort(factors[factors >= 0])
        self.moments: Regressions | None = None
        self.table: list[dict[str, Any]] = []
        self.genes: list[pd.DataFrame] = []
        self.rows: list[np.ndarray] = []
        self.null: list[tuple[np.ndarray, np.ndarray]] = []

    def add(
        self, name: str, rows: np.ndarray, edges: pd.DataFrame, data: NetworkCells, tf: int, how: dict[str, Any], n_shuffles: int,
        rng: np.random.Generator, *, own_fit: bool = False,
    ) -> None:  # fmt: skip
        """Knock out in one group; nothing happens where the factor has no target there, or too few cells.

        The weights are those of all cells, or with ``own_fit`` of the group's.
        """
        i, j = data.genes.get_indexer(edges["source"].astype(str)), data.genes.get_indexer(edges["target"].astype(str))
        there = (i >= 0) & (j >= 0) & (i != j)
        i, j = i[there], j[there]
        if not (i == tf).any() or len(rows) < MIN_CELLS:
            return
        every, rows = data.cells, rows[np.argsort(data.rank[rows])]
        cells = SmoothedCells(every.means[rows], every.raw, every.loadings)
        if self.moments is None:
            self.moments = data.moments(self.factors)
        moments = data.moments(self.factors, rows) if own_fit else self.moments
        number, most = pd.Index(self.factors).get_indexer(i), data.most
        weights = moments.weights(number, j)
        own, total = np.zeros((len(rows), every.loadings.shape[1])), np.zeros(len(data.genes))
        for part, genes, change, shift in shifts(cells, weights, tf, most=most, **how):
            own[part] = shift
            total[genes] += change.sum(axis=0)
        length = float(np.linalg.norm(own, axis=1).mean())
        row: dict[str, Any] = {
            "group": name,
            "n_cells": len(rows),
            "n_edges": len(i),
            "length": length,
            "rewired": np.nan,
            "p": np.nan,
        }
        if n_shuffles:
            some, null = rewired_shifts(
                cells, moments, (number, j), tf, most=most, n_shuffles=n_shuffles, rng=rng, **how
            )
            lengths, real = np.linalg.norm(null, axis=2).mean(axis=1), np.linalg.norm(own[some], axis=1).mean()
            row |= {"rewired": float(lengths.mean()), "p": (1 + int((lengths >= real).sum())) / (1 + n_shuffles)}
            self.null.append((rows[some], null))
        self.shift[rows] = own
        self.rows.append(rows)
        self.table.append(row)
        total[tf] = 0.0
        order = np.argsort(-np.abs(total), kind="stable")[:SHOWN_GENES]
        order = order[total[order] != 0]
        told = {"group": name, "gene": data.genes[order].to_numpy(dtype=object), "change": total[order] / len(rows)}
        self.genes.append(pd.DataFrame({**told, "direct": np.isin(order, j[i == tf])}))

    def towards(self, places: np.ndarray, types: pd.Series | None) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Return how far the cells of each type go towards each other type, and each cell towards all."""
        columns = ["from", "to", "n_cells", "share", "low", "high", "p"]
        if types is None or types.nunique() < 2:
            return pd.DataFrame({c: [] for c in columns}), None
        codes, names = pd.factorize(types, sort=True)
        centres = np.stack([places[codes == t].mean(axis=0) for t in range(len(names))])
        done = np.sort(np.concatenate(self.rows))
        done = done[codes[done] >= 0]
        per_cell = np.full((len(places), len(names)), np.nan)
        per_cell[done] = on_the_way(self.shift[done], centres, codes[done])
        some, random = self._of_rewired(centres, codes)
        out = []
        for t in np.unique(codes[done]):
            mine, looked_at = per_cell[done[codes[done] == t]], codes[some] == t
            real = per_cell[some[looked_at]].mean(axis=0) if looked_at.any() else np.full(len(names), np.nan)
            null = random[:, looked_at].mean(axis=1) if looked_at.any() else np.full((1, len(names)), np.nan)
            low, high = np.quantile(null, [0.025, 0.975], axis=0)
            further = (np.abs(null - null.mean(axis=0)) >= np.abs(real - null.mean(axis=0))).sum(axis=0)
            p = np.where(np.isfinite(real), (1 + further) / (1 + len(null)), np.nan)
            for other in np.flatnonzero(np.arange(len(names)) != t):
                row = {
                    "from": names[t],
                    "to": names[other],
                    "n_cells": len(mine),
                    "share": float(mine[:, other].mean()),
                }
                out.append({**row, "low": low[other], "high": high[other], "p": p[other]})
        table = pd.DataFrame(out, columns=columns).sort_values(["p", "from", "to"], ignore_index=True)
        return table, pd.DataFrame(per_cell.astype(np.float32), columns=names)

    def _of_rewired(self, centres: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the cells that the rewired networks were looked at in, and how far they go towards each type there."""
        n = min((len(shift) for _, shift in self.null), default=0)
        parts = [(rows[codes[rows] >= 0], shift[:n, codes[rows] >= 0]) for rows, shift in self.null]
        if not parts:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 0, len(centres)))
        along = [on_the_way(shift, centres, codes[rows]) for rows, shift in parts]
        return np.concatenate([rows for rows, _ in parts]), np.concatenate(along, axis=1)
