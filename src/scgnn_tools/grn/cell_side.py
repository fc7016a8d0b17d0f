"""The cells' side of an inference: what they say beside the prior, by group, and the controls that tell whether they say it."""

import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from scgnn_tools.grn.cells import Measured
from scgnn_tools.grn.contrast import differences, regulon_differences
from scgnn_tools.grn.heldout import held_out_cells
from scgnn_tools.grn.joined import (
    DIRECT,
    RELIABLE,
    TRANSFER,
    Evidence,
    InGroup,
    in_groups,
    pooled,
    weigh,
    without_signal,
)
from scgnn_tools.grn.recovery import recovery
from scgnn_tools.grn.score import Added, Group, joined

MIN_CELLS = 5
"""Cells that express a gene, at least, whose evidence is measured at all."""

REGULON = 100
"""Genes of a regulon, at most."""


@dataclass(frozen=True)
class CellSide:
    """What the cells say of factors × genes.

    Attributes
    ----------
    x
        Log-normalised cells, a column a gene, CSR (n_cells, n_genes).
    tfs
        Columns of the factors.
    known, degree
        Known edges among them, and known factors of each gene in all of the prior.
    groups
        Groups of cells; of one without cells all are meant.
    evidence
        Of all cells.
    of_group
        What each group adds; empty if there are none.
    """

    x: sp.csr_array
    tfs: np.ndarray
    known: np.ndarray
    degree: np.ndarray
    groups: list[Group]
    evidence: Evidence
    of_group: list[InGroup]

    def take(self, rows: np.ndarray) -> "CellSide":
        """Return what is said of some factors."""

        def of(m: Measured) -> Measured:
            half = None if m.half is None else (m.half[0][rows], m.half[1][rows], *m.half[2:])
            some = m.reliability.of_factors(rows)
            return replace(m, tfs=m.tfs[rows], z=m.z[rows], r=m.r[rows], reliability=some, half=half)

        whole = self.evidence
        evidence = replace(
            whole, measured=of(whole.measured), coherence=whole.coherence[rows], direct=whole.direct.take(rows),
            siblings=whole.siblings.take(rows),
        )  # fmt: skip
        groups = [g.take(rows) for g in self.of_group]
        return replace(self, tfs=self.tfs[rows], known=self.known[rows], evidence=evidence, of_group=groups)

    def by_group(self, every: np.ndarray | None = None, *, rng: int) -> "CellSide":
        """Return it with what each group adds; unchanged if there are no groups.

        Parameters
        ----------
        every
            Columns of all factors that are measured with these; None if there are no others.
        rng
            Seed.
        """
        if self.groups[0].cells is None:
            return self
        every = self.tfs if every is None else every
        groups, z = [(g.cells, g.genes) for g in self.groups], self.evidence.measured.z
        kept = pd.Index(every).get_indexer(self.tfs)
        return replace(self, of_group=in_groups(self.x, every, groups, z, kept=kept, rng=rng))  # type: ignore[arg-type]

    def unknown(
        self, tfs: np.ndarray, genes: np.ndarray, new: np.ndarray, *, n_top: int, allowed: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Return the best targets of the factors ``new`` (their rows), which the prior does not know, by the cells alone.

        ``data_score`` is what a pair has above what the gene has with all factors on average: a gene that goes with everything is
        nobody's target.
        """
        score = self.evidence.measured.score
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # genes that no factor is measured with
            score = score - np.nanmean(score, axis=0, keepdims=True)
        score = score if allowed is None else np.where(allowed, score, np.nan)
        ranked = np.where(np.isfinite(score[new]), score[new], -np.inf)
        k = min(n_top, ranked.shape[1] - 1)
        best = np.argpartition(-ranked, k, axis=1)[:, :k] if len(new) else np.zeros((0, k), dtype=np.int64)
        i, j = np.repeat(new, k), best.ravel()
        table = pd.DataFrame({"tf": tfs[i], "target": genes[j], "data_score": score[i, j].astype(float)})
        return table[table["data_score"] > 0].sort_values("data_score", ascending=False, ignore_index=True)

    def added(self, *, join: bool) -> list[Added]:
        """Return what is added to the scores of each group; without ``join`` it is told and not added."""
        base, score, z = self.evidence.log_ratio(), self.evidence.measured.score, self.evidence.measured.z
        if not self.of_group:
            columns: dict[str, np.ndarray] = {
                "data_score": score,
                "log_ratio": base,
                "z": z,
                "coherence": self.evidence.coherence,
            }
            return [Added((lambda: base) if join else None, lambda: columns)]

        def ratio_of(group: InGroup) -> np.ndarray:
            return base + group.log_ratio(self.evidence)

        def columns_of(group: InGroup) -> dict[str, np.ndarray]:
            nothing, contrast = np.full_like(score, np.nan), group.contrast
            own = nothing if group.own is None else group.own.score
            return {
                "data_score": score + np.nan_to_num(own), "log_ratio": ratio_of(group), "z": nothing if group.own is None else group.own.z,
                "coherence": self.evidence.coherence, "own_score": own, "contrast": nothing if contrast is None else contrast,
            }  # fmt: skip

        return [Added(partial(ratio_of, g) if join else None, partial(columns_of, g)) for g in self.of_group]

    def reliability(self) -> pd.DataFrame:
        """Return how well halves of the cells agree: of all cells, then of each group."""
        rows = [("all cells", self.x.shape[0], self.evidence.measured)]
        for group, found in zip(self.groups, self.of_group, strict=False):
            rows.append((group.name, 0 if group.cells is None else len(group.cells), found.own))  # type: ignore[arg-type]
        table = [
            {"cells": n, "halves": np.nan, "whole": np.nan, "shared_top_100": np.nan}
            if m is None
            else {"cells": n, "halves": m.reliability.halves, "whole": m.reliability.whole, "shared_top_100": m.reliability.shared}
            for _, n, m in rows
        ]  # fmt: skip
        out = pd.DataFrame(table, index=pd.Index([name for name, _, _ in rows]))
        return out.assign(own=out["halves"].fillna(0) >= RELIABLE)

    def ratios(self) -> pd.DataFrame:
        """Return how much likelier a standard deviation of each source makes an edge."""
        direct, siblings = self.evidence.direct.mean(), self.evidence.siblings.mean()
        weight = np.r_[np.ones(len(DIRECT)), TRANSFER]
        columns = {c: np.r_[getattr(direct, c), getattr(siblings, c)] for c in ("slope", "raw", "error")}
        table = pd.DataFrame(columns, index=pd.Index([*direct.names, *siblings.names]))
        return table.assign(slope=table["slope"] * weight, n=direct.n)

    def controls(self, prior: np.ndarray, *, n_top: int, rng: int) -> dict[str, Any]:
        """Judge the joined scores of all cells beside their parts, permuted cells and rewired networks.

        Parameters
        ----------
        prior
            Probabilities without these cells, of known edges as if they were not known, (n_tfs, n_genes).
        n_top, rng
            Targets kept of each factor, and the seed.
        """
        noise = without_signal(self.evidence, self.known, self.degree, rng=rng)
        permuted = np.full_like(prior, np.nan) if noise is None else noise.log_ratio()
        noise, ratio = None, self.evidence.log_ratio()
        there = np.isfinite(self.evidence.measured.z)
        scores = {
            "joined": joined(prior, ratio),
            "prior": prior,
            "cells": np.where(there, ratio, np.nan),
            "permuted cells": permuted,
        }
        table = recovery(scores, self.known & there, np.where(there.any(axis=0), self.degree, 0), rng=rng)
        return {"recovery": table, "held_out": self._held_out(prior, n_top, rng)}

    def _held_out(self, prior: np.ndarray, n_top: int, rng: int) -> pd.DataFrame:
        """Infer from half of the cells, and predict the expression of the other half."""
        measured, rows = self.evidence.measured, {}
        one, other = measured.halves
        for name, edges in self.of_half(prior, n_top).items():
            train, test = (measured.cells[measured.order[half]] for half in (one, other))
            found = held_out_cells(train, test, self.tfs, edges, rng=rng)
            rows[name] = {**vars(found), "gain": found.gain}
        return pd.DataFrame.from_dict(rows, orient="index")

    def of_half(self, prior: np.ndarray, n_top: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return the edges, factor and column, that the first half of the cells makes of a prior, and those of the prior alone."""
        measured = self.evidence.measured
        half = weigh(measured.first_half, self.known, self.degree)
        score = np.where(np.isfinite(measured.z), joined(prior, half.log_ratio()), -np.inf)
        k = min(n_top, score.shape[1] - 1)
        return {"joined": _best(score, k), "prior": _best(np.where(np.isfinite(score), prior, -np.inf), k)}

    def regulons(self, tfs: np.ndarray) -> pd.DataFrame:
        """Return, for each group and factor, how much higher its regulon and its own expression are than in other cells.

        A regulon is the genes that the cells tie to a factor most, whichever way, each with its evidence as weight; neither the factor
        itself nor a known edge has a say.
        """
        if not self.of_group:
            return pd.DataFrame({"group": [], "tf": [], "n_targets": [], "specificity": [], "expression": []})
        score = self.evidence.measured.score
        i, at = _best(np.where(np.isfinite(score), np.abs(score), -np.inf), min(REGULON, score.shape[1] - 1))
        weights = sp.csr_array((score[i, at], (i, at)), shape=score.shape)
        apart = differences(self.x, [g.cells for g in self.groups])  # type: ignore[misc]
        n = np.bincount(i, minlength=len(self.tfs))
        parts = [
            pd.DataFrame({"group": g.name, "tf": tfs, "n_targets": n, "specificity": a, "expression": b})
            for g, a, b in zip(self.groups, regulon_differences(apart, weights), apart[:, self.tfs], strict=True)
        ]
        return pd.concat(parts, ignore_index=True)


def _best(ranked: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return factor and column of the ``k`` best pairs of each factor, without those of minus infinity."""
    best = np.argpartition(-ranked, k, axis=1)[:, :k]
    i, at = np.repeat(np.arange(len(best)), k), best.ravel()
    fine = np.isfinite(ranked[i, at])
    return i[fine], at[fine]


def cell_side(
    expression: AnnData | None,
    genes: np.ndarray,
    tfs: np.ndarray,
    known: pd.DataFrame,
    groups: list[Group],
    *,
    halved: bool = True,
    rng: int,
) -> CellSide | None:
    """Measure all cells; None without expression, or with too few cells or genes. What groups add is :meth:`CellSide.by_group`.

    Parameters
    ----------
    expression
        Log-normalised cells, ``var_names`` symbols.
    genes, tfs
        Symbols of the genes and of the factors among them.
    known
        Edges of the prior, ``tf``, ``target``.
    groups, rng
        Groups of cells, and the seed.
    halved
        Whether half of the cells are kept apart for the controls.
    """
    if expression is None:
        return None
    x = aligned(expression, genes)
    number = pd.Index(genes)
    columns = number.get_indexer(tfs)
    i, j = pd.Index(tfs).get_indexer(known["tf"]), number.get_indexer(known["target"])
    there = (i >= 0) & (j >= 0)
    matrix = np.zeros((len(tfs), len(genes)), dtype=bool)
    matrix[i[there], j[there]] = True
    degree = np.bincount(j[j >= 0], minlength=len(genes))
    enough = np.bincount(x.indices, minlength=len(genes)) >= MIN_CELLS
    held = np.any([g.genes for g in groups], axis=0)  # the others would only add noise to the components
    evidence = pooled(x, columns, enough & held, matrix, degree, halved=halved, rng=rng)
    return None if evidence is None else CellSide(x, columns, matrix, degree, groups, evidence, [])


def aligned(expression: AnnData, genes: np.ndarray) -> sp.csr_array:
    """Return the cells with a column for each gene; of genes with one name the first, without values for one that is not there."""
    first = ~expression.var_names.duplicated()
    at = pd.Series(np.flatnonzero(first), index=expression.var_names[first]).reindex(genes)
    there = at.notna().to_numpy()
    x, place = sp.csr_array(expression.X), np.full(expression.n_vars, -1)
    place[at[there].to_numpy(dtype=np.int64)] = np.flatnonzero(there)
    to = place.astype(x.indices.dtype)[x.indices]
    kept = (to >= 0) & (x.data != 0)
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kept)])
    indptr = before[x.indptr].astype(x.indptr.dtype)
    out = sp.csr_array((x.data[kept], to[kept], indptr), shape=(x.shape[0], len(genes)))
    out.sort_indices()
    return out
