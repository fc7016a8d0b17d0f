"""A trained method with all that its answers need: temperature, thresholds of the sets, what is usual."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from scgnn_tools._html import boxed
from scgnn_tools._progress import counter
from scgnn_tools.annotation.conformal import ConformalSets
from scgnn_tools.annotation.novelty import Novelty, Shift
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.report import Report
from scgnn_tools.data.order import content_keys, sorted_by
from scgnn_tools.labels import METHODS, Cells, Ensemble, LabelMethod
from scgnn_tools.labels.temperature import log_proba

TIES = 3
"""Dimensions of the vectors that cells of equal expression are sorted by."""


@dataclass(frozen=True)
class AnnotationResult:
    """What is said of a query.

    Attributes
    ----------
    classes
        Str (n_classes,).
    proba
        Calibrated probabilities, float32 (n_query, n_classes).
    strange
        How unlike the reference each cell is, above 1 unknown, float32 (n_query,); zeros if that was not asked for.
    sign
        By which of ``SIGNS`` most, int (n_query,); 4 is by its differences.
    empty
        Whether a cell expresses none of the genes, bool (n_query,).
    shift
        How far the query lies from the reference as a whole; None if that was not asked for.
    markers
        Genes that tell each class, by its position in ``classes``; empty where genes have no names.
    sets
        Conformal sets, bool (n_query, n_classes); None if they were not asked for.
    vectors
        Of the cells, float32 (n_query, dimension); None if they were not asked for.
    order
        Positions of the cells sorted by what they hold, int64 (n_query,); None without ``vectors``.
    agreement
        Share of the members of an ensemble whose best class is the ensemble's, float32 (n_query,); None for other methods.
    report
        How the method did on held-out cells.
    fitted
        The method that labelled the query.
    interrupted
        Whether Ctrl-C ended the work early: the labels are of the best weights until then, and nothing was trained a second time.

    Examples
    --------
    >>> atlas = sgt.annotation.Annotator.fit(adata, "cell_type", method="logreg_pca")
    >>> labelled = atlas.annotate(query, copy=True)  # writes what an AnnotationResult holds into the object
    >>> "sgt_label" in labelled.obs
    True
    """

    classes: np.ndarray
    proba: np.ndarray
    strange: np.ndarray
    sign: np.ndarray
    empty: np.ndarray
    shift: Shift | None
    markers: dict[int, list[str]]
    sets: np.ndarray | None
    vectors: np.ndarray | None
    order: np.ndarray | None
    agreement: np.ndarray | None
    report: Report
    fitted: LabelMethod
    interrupted: bool

    def __repr__(self) -> str:
        shape = f"{len(self.proba):,} cells, {len(self.classes)} classes, {int(self.unknown.sum()):,} unknown"
        return f"AnnotationResult({shape})\n{self.report.verdict}"

    def _repr_html_(self) -> str:
        facts: dict[str, Any] = {
            "cells": len(self.proba),
            "classes": len(self.classes),
            "unknown": int(self.unknown.sum()),
        }
        facts["on held-out cells"] = self.report.verdict
        return boxed("AnnotationResult", facts, {"evaluation": self.report.evaluation.round(4)})

    @property
    def unknown(self) -> np.ndarray:
        """Cells unlike the reference, bool (n_query,)."""
        return self.strange > 1


@dataclass(frozen=True)
class Labeller:
    """A method that was trained, scored and calibrated.

    Attributes
    ----------
    classes
        Str (n_classes,).
    name, method, temperature
        Name in ``METHODS``, the fitted method, and what its scores are divided by.
    sets
        With its thresholds; None makes no sets.
    novelty
        What is usual; None rejects nothing.
    report, interrupted
        As in :class:`AnnotationResult`.
    """

    classes: np.ndarray
    name: str
    method: LabelMethod
    temperature: float
    sets: ConformalSets | None
    novelty: Novelty | None
    report: Report
    interrupted: bool

    def proba(self, cells: Cells) -> np.ndarray:
        """Return calibrated probabilities, float32 (n_cells, n_classes)."""
        return calibrated(self.method.scores(cells), self.temperature)

    def shift(self, query: Query) -> Shift | None:
        """Return how far cells lie from the reference as a whole; None if strange cells are not looked for."""
        if self.novelty is None:
            return None
        look = self.novelty.look()
        for cells in query.blocks():
            look.add(cells)
        return look.shift

    def label(
        self,
        query: Query,
        *,
        alone: bool = False,
        vectors: bool = False,
        shift: Shift | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> AnnotationResult:
        """Label cells, a block at a time.

        Parameters
        ----------
        query
            The cells.
        alone
            Judge each by itself, whatever the others of the query are like.
        vectors
            Keep their vectors.
        shift
            Of the query that the cells are a part of; None if they are all of it.
        advance
            Is told of cells that are done; None shows how far it is.
        """
        kept: list[tuple[np.ndarray, np.ndarray]] = []
        out, look = [], None if self.novelty is None else self.novelty.look()
        markers: dict[int, list[str]] = {}
        shown = counter(len(query), what="annotate", unit="cell") if advance is None else nullcontext(advance)
        with shown as advance:
            for cells in query.blocks():
                out.append((*self._scored(cells), np.diff(cells.expression.indptr) == 0))
                if look is not None and self.novelty is not None:
                    look.add(cells)
                    if cells.genes is not None and not markers:
                        markers = self.novelty.of_signs.markers(cells.genes)
                if vectors:
                    kept.append((cells.embedding, content_keys(cells.expression)))
                advance(len(cells))
        proba, agreement, empty = (np.concatenate(parts) for parts in zip(*out, strict=True))
        nothing = np.zeros(len(proba), np.float32), np.zeros(len(proba), np.int8), None
        strange, sign, shift = nothing if look is None else look.judge(alone=alone, shift=shift)
        return AnnotationResult(
            self.classes,
            proba,
            strange,
            sign,
            empty,
            shift,
            markers,
            None if self.sets is None else self.sets.sets(proba),
            *_sorted_vectors(kept),
            agreement if METHODS[self.name].ensemble else None,
            self.report,
            self.method,
            self.interrupted,
        )

    def _scored(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities, and the share of the members of an ensemble that agree; ones for other methods."""
        if not METHODS[self.name].ensemble:
            return self.proba(cells), np.ones(len(cells), dtype=np.float32)
        scores, agreement = cast("Ensemble", self.method).consensus(cells)
        return calibrated(scores, self.temperature), agreement


def calibrated(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities at a temperature, float32 (n_cells, n_classes)."""
    return np.exp(log_proba(scores, temperature)).astype(np.float32)


def _sorted_vectors(kept: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return vectors of blocks of cells in one, and the order of the cells by what they hold; None where none were kept."""
    if not kept:
        return None, None
    vectors, keys = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return vectors, sorted_by(keys, *vectors.T[:TIES])
