"""Shifts of a model beside those of like genes, of principal components and of ranks alone."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import spearmanr

from scgnn_tools._log import say
from scgnn_tools._names import safe_names
from scgnn_tools._random import RNG
from scgnn_tools.fm.linear import LinearMap
from scgnn_tools.perturbation.silico import linear
from scgnn_tools.perturbation.silico.inputs import GOAL, SilicoCells
from scgnn_tools.perturbation.silico.linear import LinearModel
from scgnn_tools.perturbation.silico.shifts import Shifts
from scgnn_tools.perturbation.silico.statistics import LEAST_CELLS, adjusted, residual, table

if TYPE_CHECKING:
    from scgnn_tools.fm import FoundationModel

COMPONENTS = 50
TOGETHER = "together"


@dataclass(frozen=True)
class Edits:
    """What is done to which genes.

    Attributes
    ----------
    genes
        Positions in the vocabulary.
    kind
        "delete" or "overexpress".
    together
        All at once.
    insert
        Whether over-expression puts genes into cells that lack them.
    by_gene
        Whether the other genes' states are compared, too.
    controls
        Positions of genes that are perturbed only so that the others have something to be compared with.
    """

    genes: np.ndarray
    kind: str
    together: bool
    insert: bool
    by_gene: bool = False
    controls: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def perturbed(self) -> np.ndarray:
        """Positions of all that is perturbed, the genes that were asked for first."""
        return np.concatenate([self.genes, self.controls])


def shifts_of(model: "FoundationModel", start: SilicoCells, states: dict[str, SilicoCells], asked: Edits) -> Shifts:
    """Return what perturbing does in the model."""
    if isinstance(model, LinearMap):
        means = {s: LinearModel(model.linear_parts(c.tokens)).cells().mean(axis=0) for s, c in states.items()}
        parts = LinearModel(model.linear_parts(start.tokens))
        return linear.shifts(parts, asked.perturbed, asked.kind, together=asked.together, states=means)
    from scgnn_tools.fm import estimate
    from scgnn_tools.perturbation.silico import network

    network.check_model(model)  # type: ignore[arg-type]
    means = {s: network.vectors(model, c.tokens).mean(axis=0) for s, c in states.items()}  # type: ignore[arg-type]
    n = _sequences(start, asked)
    say(f"in_silico: {start.tokens.n_cells:,} cells, {len(asked.perturbed):,} genes, {n:,} sequences")
    estimate.announce(model, model.lengths(start.tokens), n / max(start.tokens.n_cells, 1))  # type: ignore[arg-type]
    return network.shifts(
        model,  # type: ignore[arg-type]
        start.tokens,
        asked.perturbed,
        asked.kind,
        together=asked.together,
        insert=asked.insert,
        states=means,
        by_gene=asked.by_gene,
    )


def _sequences(start: SilicoCells, asked: Edits) -> int:
    n = start.tokens.n_cells
    if asked.together:
        return 2 * n
    return n + (n * len(asked.perturbed) if asked.insert else int((start.log[:, asked.perturbed] != 0).sum()))


def summary(
    names: np.ndarray,
    found: Shifts,
    beside: Shifts,
    start: SilicoCells,
    asked: Edits,
    goal: str | None,
    *,
    rng: RNG = 0,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return a row a gene that was asked for, sorted by its effect, and what rank alone explains of all that were perturbed."""
    effect, pca = (_effect(x, goal) for x in (found, beside))
    own = start.log[:, asked.perturbed]
    level, seen, rank, tokens = _likeness(start.log, own, asked.perturbed)
    if asked.together:
        level, seen, rank, tokens = (np.array([np.nanmean(c)]) for c in (level, seen, rank, tokens))
    out = table(effect, np.stack([level, seen], axis=1), rng=rng)
    with np.errstate(invalid="ignore"):
        n = np.maximum(np.isfinite(found.cosine).sum(axis=0), 1)
        out.insert(0, "cosine", np.where(out["n_cells"] > 0, np.nansum(found.cosine, axis=0) / n, np.nan))
        out["pca"] = np.where(
            out["n_cells"] > 0, np.nansum(pca, axis=0) / np.maximum(np.isfinite(pca).sum(axis=0), 1), np.nan
        )
        names_of = dict(zip(found.toward, safe_names(f"shift_{s}" for s in found.toward), strict=True))
        for s, values in found.toward.items():
            if s == goal:  # its column is that of the effect
                continue
            out[names_of[s]] = np.where(out["n_cells"] > 0, np.nansum(values, axis=0) / n, np.nan)
    mean = out["shift"].to_numpy()
    out["residual"], share = residual(mean, np.stack([np.log1p(rank), tokens], axis=1))
    out["mean_rank"] = rank
    about = {
        "explained_by_rank": share,
        "spearman_rank": _spearman(mean, rank),
        "spearman_pca": _spearman(mean, out["pca"].to_numpy()),
    }
    out = out.iloc[: len(names)].set_index(names.astype(object))
    out.insert(out.columns.get_loc("p") + 1, "fdr", adjusted(out["p"].to_numpy()))
    out = out.rename(columns={"shift": f"shift_{GOAL}"}) if goal is not None else out
    measure = out["shift" if goal is None else f"shift_{GOAL}"].where(out["n_cells"] >= LEAST_CELLS, -np.inf)
    return out.iloc[np.argsort(-measure.to_numpy(), kind="stable")], about


def _effect(found: Shifts, goal: str | None) -> np.ndarray:
    return 1 - found.cosine if goal is None else found.toward[goal]


def _likeness(
    log: sp.csr_array, own: sp.csr_array, genes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of each gene its mean, its detection, its mean rank in the cells that express it, and the number of genes of these cells."""
    n = log.shape[0]
    seen = np.asarray((own != 0).sum(axis=0)).ravel()
    level = np.asarray(own.sum(axis=0)).ravel() / n
    lengths = np.diff(log.indptr)
    place = np.empty(log.nnz)
    for i in range(n):
        at = slice(log.indptr[i], log.indptr[i + 1])
        place[log.indptr[i] + np.argsort(-log.data[at], kind="stable")] = np.arange(lengths[i])
    ranks = sp.csr_array((place + 1, log.indices, log.indptr), shape=log.shape)[:, genes]
    rank = np.asarray(ranks.sum(axis=0)).ravel() / np.maximum(seen, 1)
    tokens = np.asarray((own != 0).astype(float).T @ lengths).ravel() / np.maximum(seen, 1)
    return level, seen / n, np.where(seen > 0, rank, np.nan), np.where(seen > 0, tokens, np.nan)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    own = np.isfinite(a) & np.isfinite(b)
    if own.sum() < 3 or np.ptp(a[own]) == 0 or np.ptp(b[own]) == 0:
        return float("nan")
    return float(spearmanr(a[own], b[own]).statistic)


def in_components(start: SilicoCells, states: dict[str, SilicoCells], asked: Edits) -> Shifts:
    """Return the same perturbations in principal components of the log values of these cells: the linear baseline."""
    from sklearn.decomposition import PCA

    everything = sp.vstack([start.log, *(c.log for c in states.values())], format="csr")
    k = min(COMPONENTS, min(everything.shape) - 1)
    axes, mean = np.zeros((everything.shape[1], 1)), np.asarray(everything.mean(axis=0)).ravel()
    if (everything.max(axis=0) != everything.min(axis=0)).nnz:  # cells that are all alike have no component
        pca = PCA(k, svd_solver="arpack", random_state=0).fit(sp.csr_matrix(everything))
        axes, mean = pca.components_.T.astype(np.float64), pca.mean_
    offset = -mean @ axes
    means = {s: LinearModel([(c.log, axes)], offset).cells().mean(axis=0) for s, c in states.items()}
    return linear.shifts(
        LinearModel([(start.log, axes)], offset), asked.perturbed, asked.kind, together=asked.together, states=means
    )


def of_genes(found: Shifts, names: np.ndarray, vocabulary: np.ndarray) -> pd.DataFrame:
    """Return the long table of genes whose states moved: perturbed, gene, cosine, n_cells, the most moved first."""
    if found.of_genes is None:
        return pd.DataFrame(columns=["perturbed", "gene", "cosine", "n_cells"])
    cosine, n = (x[: len(names)] for x in found.of_genes)
    i, j = np.nonzero(n)
    out = pd.DataFrame({"perturbed": names[i], "gene": vocabulary[j], "cosine": cosine[i, j], "n_cells": n[i, j]})
    return out.sort_values(["perturbed", "cosine"], kind="stable").reset_index(drop=True)
