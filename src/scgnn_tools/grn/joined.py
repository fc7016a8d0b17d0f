"""Knowledge and cells joined: a log ratio of what the cells say, in all cells and in each group, to add to the logit of a prior."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from scgnn_tools.grn.cells import Measured, Own, measure, measure_own
from scgnn_tools.grn.coherence import coherence
from scgnn_tools.grn.contrast import differences, edge_contrast
from scgnn_tools.grn.null import permuted
from scgnn_tools.grn.ratio import OutOfFold, fit_out_of_fold

TRANSFER = 0.5
"""Part of the coherence's log ratio that counts: known targets of a factor in one collection are told by its others better than its targets
elsewhere are."""

MOST_CONTRAST = 2.0
"""Standard deviations of a contrast that count, each as one logit."""

RELIABLE = 0.3
"""Agreement of halves below which a group's network is called the pooled one, seen through its expression."""

DIRECT, COHERENCE = ("smoothed", "cells"), "coherence"


@dataclass(frozen=True)
class Evidence:
    """Log ratio of all cells.

    Attributes
    ----------
    measured
        The cells.
    direct
        Ratio of the correlation of the pair itself.
    siblings
        Ratio of the coherence with the factor's known targets.
    coherence
        That coherence, float32 (n_tfs, n_genes).
    """

    measured: Measured
    direct: OutOfFold
    siblings: OutOfFold
    coherence: np.ndarray

    @property
    def says_nothing(self) -> bool:
        """Whether the ratio is 1 for every pair."""
        return self.direct.says_nothing(*DIRECT) and self.siblings.says_nothing(COHERENCE)

    def log_ratio(self) -> np.ndarray:
        """Return the log ratio of every pair, float32 (n_tfs, n_genes); 0 where the cells say nothing."""
        return self.direct(sources(self.measured)) + TRANSFER * self.siblings({COHERENCE: self.coherence})

    def of_own(self, own: "Own") -> np.ndarray:
        """Return what a group's own evidence adds, on the terms of the pooled one."""
        return self.direct.shrunk(DIRECT[0], own.score)


@dataclass(frozen=True)
class InGroup:
    """What a group of cells adds to the pooled evidence.

    Attributes
    ----------
    own
        The group's cells, measured on their own; None if they are too few.
    apart
        How much higher each factor, (n_tfs,), and each gene, (n_genes,), is here than in other cells; None if there are no others.
    pooled_z
        Of all cells, float32 (n_tfs, n_genes).
    """

    own: Own | None
    apart: tuple[np.ndarray, np.ndarray] | None
    pooled_z: np.ndarray

    @property
    def contrast(self) -> np.ndarray | None:
        """How much more of each edge there is here than in other cells, float32 (n_tfs, n_genes); None if there are no other cells."""
        if self.apart is None:
            return None
        of_tf, of_gene = self.apart
        return edge_contrast(of_tf[:, None], of_gene[None, :], self.pooled_z).astype(np.float32)

    def take(self, rows: np.ndarray) -> "InGroup":
        """Return what is said of some factors."""
        own = None if self.own is None else Own(self.own.z[rows], self.own.reliability.of_factors(rows))
        apart = None if self.apart is None else (self.apart[0][rows], self.apart[1])
        return InGroup(own, apart, self.pooled_z[rows])

    def log_ratio(self, pooled: Evidence) -> np.ndarray:
        """Return what the group adds to the pooled log ratio."""
        out = np.float32(0) if self.own is None else pooled.of_own(self.own)
        contrast = self.contrast
        if contrast is not None:
            out = out + np.clip(np.nan_to_num(contrast), -MOST_CONTRAST, MOST_CONTRAST)
        return np.asarray(out)


def sources(measured: Measured) -> Mapping[str, np.ndarray]:
    """Return what the direct ratio is fitted on."""
    return dict(zip(DIRECT, (measured.score, measured.r), strict=True))


def weigh(measured: Measured, known: np.ndarray, degree: np.ndarray) -> Evidence:
    """Fit how much the cells' evidence makes an edge likelier: for each factor on the known edges of others.

    Parameters
    ----------
    measured
        The cells.
    known
        bool (n_tfs, n_genes).
    degree
        Known factors of each gene, in all of the prior.
    """
    together = coherence(measured.x, known, np.arange(known.shape[1]), bins=measured.bins)
    together = np.where(np.isfinite(measured.z), together, np.nan).astype(np.float32)
    direct = fit_out_of_fold(sources(measured), known, degree)
    return Evidence(measured, direct, fit_out_of_fold({COHERENCE: together}, known, degree), together)


def pooled(
    x: sp.csr_array,
    tfs: np.ndarray,
    expressed: np.ndarray,
    known: np.ndarray,
    degree: np.ndarray,
    *,
    bins: np.ndarray | None = None,
    halved: bool = True,
    rng: int,
) -> Evidence | None:
    """Measure all cells and weigh what they say; None if there is nothing to measure."""
    measured = measure(x, tfs, expressed, bins=bins, halved=halved, rng=rng)
    return None if measured is None else weigh(measured, known, degree)


def without_signal(evidence: Evidence, known: np.ndarray, degree: np.ndarray, *, rng: int) -> Evidence | None:
    """Return the evidence of the same cells with every gene permuted among cells of like depth."""
    own = evidence.measured
    return pooled(
        permuted(own.x, bins=own.bins, rng=rng + 1),
        own.tfs,
        np.isfinite(own.z).any(axis=0),
        known,
        degree,
        bins=own.bins,
        halved=False,
        rng=rng,
    )


def in_groups(
    x: sp.csr_array,
    tfs: np.ndarray,
    groups: list[tuple[np.ndarray, np.ndarray]],
    pooled_z: np.ndarray,
    *,
    kept: np.ndarray,
    rng: int,
) -> list[InGroup]:
    """Measure each group, given as its cells and which genes they express, and set it against all other cells.

    Factors are measured with one another and with all of ``tfs``; what is said of those ``kept`` is returned, and ``pooled_z``, of all
    cells, is of these: it says whether a target is to rise or to fall with its factor.
    """
    apart = differences(x, [cells for cells, _ in groups])
    out = []
    for (cells, expressed), of_gene in zip(groups, apart, strict=True):
        own = measure_own(x[cells], tfs, expressed, kept=kept, rng=rng)
        out.append(InGroup(own, (of_gene[tfs[kept]], of_gene) if len(cells) < x.shape[0] else None, pooled_z))
    return out
