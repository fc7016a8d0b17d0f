"""From probabilities and strangeness to a name for each cell, and why it has none."""

from dataclasses import dataclass

import numpy as np

from scgnn_tools._keys import UNKNOWN
from scgnn_tools.annotation.hierarchy import BackOff
from scgnn_tools.annotation.labeller import AnnotationResult
from scgnn_tools.annotation.settings import AnnotationSettings

NO_COUNTS, FAR = "no counts", "unlike the reference as a whole"
WHY = (
    "",
    "expresses too little of any class's markers",
    "unlike every cell of the reference",
    "between two classes",
    "outside every class",
    "no safe parent",
    FAR,
    NO_COUNTS,
)
"""Why a cell is Unknown, in short; "" where it is not."""
MARKERS, UNLIKE, TWO, OUTSIDE, UNSAFE, AWAY, NOTHING = range(1, len(WHY))
PROFILE, VECTORS, COMPONENTS, _, DIFFERENCES = range(5)
"""Signs of strangeness, see :mod:`scgnn_tools.annotation.signs` and :mod:`scgnn_tools.annotation.differences`."""
BETWEEN = 0.25
"""Probability of the second class from which on a cell lies between two."""


@dataclass(frozen=True)
class Names:
    """What each cell is called.

    Attributes
    ----------
    code
        Position of the label in :attr:`Namer.categories`, int (n_cells,).
    confidence
        Probability of the name, float32 (n_cells,); 0 without counts.
    why
        Position in ``WHY``, int8 (n_cells,).
    """

    code: np.ndarray
    confidence: np.ndarray
    why: np.ndarray


class Namer:
    """Names cells by their likeliest class, or by the deepest name above it that is likely enough.

    Parameters
    ----------
    settings
        With the hierarchy and what is likely enough.
    classes
        Names of the classes, (n_classes,).
    """

    def __init__(self, settings: AnnotationSettings, classes: np.ndarray) -> None:
        self._least = settings.min_confidence
        self._back_off = None if settings.hierarchy is None else BackOff(settings.hierarchy, classes)
        self.names = classes if self._back_off is None else self._back_off.names
        self.ids = np.full(len(self.names), "", dtype=object) if self._back_off is None else self._back_off.ids
        self.categories = [*map(str, self.names)]
        if UNKNOWN not in self.categories:
            self.categories.append(UNKNOWN)

    def __call__(self, result: AnnotationResult) -> Names:
        """Name the cells."""
        best, confidence = result.proba.argmax(axis=1), result.proba.max(axis=1)
        if self._back_off is not None:
            best, confidence = self._back_off.choose(result.proba, self._least)
        rejected = result.unknown | result.empty | (best < 0)
        code = np.where(rejected, self.categories.index(UNKNOWN), best)
        confidence = np.where(result.empty, 0, confidence).astype(np.float32)
        return Names(code, confidence, _why(result, best < 0))


def _why(result: AnnotationResult, unsafe: np.ndarray) -> np.ndarray:
    second = np.sort(result.proba, axis=1)[:, -min(2, result.proba.shape[1])]
    why = np.where(second > BETWEEN, TWO, OUTSIDE)
    why = np.where(np.isin(result.sign, [VECTORS, COMPONENTS]), UNLIKE, why)
    why = np.where(np.isin(result.sign, [PROFILE, DIFFERENCES]), MARKERS, why)
    if result.shift is not None and result.shift.far:
        why = np.full(len(why), AWAY)
    why = np.where(result.unknown, why, np.where(unsafe, UNSAFE, 0))
    return np.where(result.empty, NOTHING, why).astype(np.int8)


def reasons(result: AnnotationResult, why: np.ndarray) -> np.ndarray:
    """Return why each cell is Unknown with the names of classes and genes, "" where it is not, object (n_cells,)."""
    names, order = result.classes.astype(object), np.argsort(-result.proba, axis=1, kind="stable")
    first, second = order[:, 0], order[:, min(1, order.shape[1] - 1)]
    near = np.array([f"nearest: {n}" for n in names], dtype=object)
    genes = [", ".join(result.markers.get(c, [])) for c in range(len(names))]
    marked = np.array([f"{a}: {g}" if g else a for a, g in zip(near, genes, strict=True)], dtype=object)
    between = "between " + names[first] + " and " + names[second]
    text = np.array(WHY, dtype=object)[why]
    for kind, told in (
        (MARKERS, WHY[MARKERS] + " (" + marked[first] + ")"),
        (UNLIKE, WHY[UNLIKE] + " (" + near[first] + ")"),
        (OUTSIDE, WHY[OUTSIDE] + " (" + near[first] + ")"),
        (TWO, between),
        (UNSAFE, WHY[UNSAFE] + ": " + between),
    ):
        text = np.where(why == kind, told, text)
    return text
