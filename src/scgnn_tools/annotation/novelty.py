"""Is a cell unlike everything the reference holds?

Four signs (:mod:`scgnn_tools.annotation.signs`), each compared with held-out labelled cells that express as many genes: a shallow cell
correlates less with anything. The signs are brought to one scale, on which held-out cells have a median of 0 and a 95 % quantile of
1, and added up. A cell is unknown if its sum is above a threshold: within one experiment the 97.5 % quantile of the held-out cells.

Cells of another laboratory are all a little strange. What the cells of a query have in common in each sign (its 30 % quantile, beyond that
of held-out cells) is the laboratory; it is taken out, and a cell is unknown if it and the cells of the query that are most like it
(:mod:`scgnn_tools.annotation.company`) are much stranger than the rest: a type that the reference lacks comes as a group. How they differ
from the middle of the query's classes is a fifth sign (:mod:`scgnn_tools.annotation.differences`). That wants enough cells, and vectors
that are not far from the reference as a whole: all cells of a query that is far are unknown. A query of few cells, and a cell that is to be
judged by itself, is allowed what known cells had between laboratories; the experiments of a reference raise both thresholds if each shows
more to who knows the others.
"""

from dataclasses import dataclass, replace

import numpy as np

from scgnn_tools.annotation.company import Company, company_of, unit
from scgnn_tools.annotation.differences import Differences
from scgnn_tools.annotation.signs import SIGNS, Signs
from scgnn_tools.labels import Cells
from scgnn_tools.labels.means import membership
from scgnn_tools.splits import split_cells
from scgnn_tools.splits.cells import TRAIN

WITHIN, BETWEEN, AFTER = 0.975, 0.99, 0.95
ALLOWANCE = 8.0
"""What 95 % of the known cells have where reference and query are of two laboratories (``benchmarks/unknown.py``)."""
ALLOWANCE_AFTER = 11.5
"""The same once the shift of the query is taken out, of a cell among those that are most like it, their differences included: 93 % of the
known cells of each pair."""
COMMON = 0.3
"""Quantile of a query's cells that says what they have in common: up to 70 % of them may be unknown."""
MANY = 50
"""Cells of a query from which on its shift is known."""
FARTHEST = 1.5
"""Distance of a query from which on it is unlike the reference as a whole: blood is .1 to 1.3 away from blood, other tissues 1.7 to 3.2."""
FAR, UNLIKE = 1.0, 0.42
"""Distance from which on a query is far too if its classes differ from each other less alike than this: blood had .44 and more, mostly .7
to .9, other tissues .41 and less."""
FEWEST = 20
SAME_DEPTH = 0.1


@dataclass(frozen=True)
class Shift:
    """How far a query lies from the reference as a whole.

    Attributes
    ----------
    n_cells
        Cells that express something.
    distance
        Of its vectors: the shift that all classes have in common, over the spread of the reference; 0 is none.
    likeness
        How alike its classes and those of the reference differ from each other, at most 1; see :meth:`Signs.likeness`.
    away
        What its cells have in common in each sign, on the common scale, (4,).
    taken_out
        Whether that was taken out before cells were judged.
    far
        Whether the query is unlike the reference as a whole; then nothing is taken out, and every cell is unknown.
    company, differences
        Cells of the query among which each is judged, and how its classes differ; None where it is judged by itself.
    """

    n_cells: int
    distance: float
    likeness: float
    away: np.ndarray
    taken_out: bool
    far: bool
    company: Company | None = None
    differences: Differences | None = None


class Novelty:
    """Rejection of cells that are unlike the reference."""

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        held_out: Cells,
        *,
        experiments: np.ndarray | None = None,
        same_experiment: bool = True,
    ) -> "Novelty":
        """Learn what is usual.

        Parameters
        ----------
        train, labels
            Training cells and their classes.
        held_out
            Labelled cells beside them.
        experiments
            Experiment of each training cell, int (n_train,); None for one.
        same_experiment
            Whether the cells to judge are of the experiment of the training cells.
        """
        self.of_signs = Signs().fit(train, labels)
        usual = held_out if len(held_out) else train
        raw, depth = self.of_signs(usual), _depth(usual)
        self._scale = _Scale(raw, depth)
        scaled = self._scale(raw, depth)
        self._common = np.quantile(scaled, COMMON, axis=0)
        self.threshold = float(np.quantile(scaled.sum(axis=1), WITHIN))
        self.after: float | None = None
        if not same_experiment:
            between = [] if experiments is None else _between(train, labels, experiments)
            self.threshold = max(self.threshold, ALLOWANCE, *(b[0] for b in between))
            self.after = max(ALLOWANCE_AFTER, *(b[1] for b in between), 0.0)
        return self

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        out = {f"signs.{k}": v for k, v in self.of_signs.state().items()}
        out |= {f"scale.{k}": v for k, v in self._scale.state().items()} | {"common": self._common}
        thresholds = [self.threshold] if self.after is None else [self.threshold, self.after]
        return out | {"thresholds": np.array(thresholds)}

    def restore(self, arrays: dict[str, np.ndarray]) -> "Novelty":
        """Become what :meth:`state` was asked of."""
        parts: dict[str, dict[str, np.ndarray]] = {"signs": {}, "scale": {}}
        for key, value in arrays.items():
            if "." in key:
                part, name = key.split(".", 1)
                parts[part][name] = value
        self.of_signs, self._scale = Signs().restore(parts["signs"]), _Scale.of(parts["scale"])
        self._common, thresholds = arrays["common"], arrays["thresholds"]
        self.threshold, self.after = float(thresholds[0]), float(thresholds[1]) if len(thresholds) > 1 else None
        return self

    def look(self) -> "Look":
        """Return what looks at the cells of a query, a block at a time, and judges them in the end."""
        return Look(self)

    def signs(self, cells: Cells) -> np.ndarray:
        """Return the signs on their common scale, (n_cells, 4)."""
        return self.scaled(cells)[0]

    def score(self, cells: Cells, *, alone: bool = False) -> np.ndarray:
        """Return how strange each cell of a query is, (n_cells,); above 1 it is unknown."""
        look = self.look()
        look.add(cells)
        return look.judge(alone=alone)[0]

    def scaled(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the signs on their common scale, (n_cells, 4), and the nearest of the classes that trained, int (n_cells,)."""
        signs, nearest = self.of_signs.look(cells)
        return self._scale(signs, _depth(cells)), nearest

    def shift(self, signs: np.ndarray, sums: np.ndarray, profiles: np.ndarray, n: np.ndarray) -> Shift:
        """Return the shift of a query: the signs of its cells, (n_cells, 4), and its vectors and profiles added up by class."""
        nothing = np.zeros(len(SIGNS))
        if not len(signs):
            return Shift(0, 0.0, 1.0, nothing, taken_out=False, far=False)
        distance, likeness = self.of_signs.distance(sums, n), self.of_signs.likeness(profiles, n)
        away = np.maximum(np.quantile(signs, COMMON, axis=0) - self._common, 0)
        many = len(signs) >= MANY and self.after is not None
        far = many and (distance > FARTHEST or (distance > FAR and likeness < UNLIKE))
        return Shift(len(signs), distance, likeness, away, taken_out=many and not far, far=far)


class Look:
    """The signs of the cells of a query, added up a block at a time."""

    def __init__(self, novelty: Novelty) -> None:
        self._novelty = novelty
        self._signs: list[np.ndarray] = []
        self._vectors: list[np.ndarray] = []
        self._company: Company | None = None
        self._filled: list[np.ndarray] = []
        self._sums: np.ndarray | float = 0.0
        self._profiles: np.ndarray | float = 0.0
        self._n = np.zeros(novelty.of_signs.n_classes, dtype=np.int64)

    def add(self, cells: Cells) -> None:
        """Look at cells."""
        signs, nearest = self._novelty.scaled(cells)
        filled = np.diff(cells.expression.indptr) > 0
        self._signs.append(signs.astype(np.float32))
        self._filled.append(filled)
        of = membership(nearest[filled], len(self._n))
        filled_cells = cells.take(np.flatnonzero(filled))
        self._sums = self._sums + of @ filled_cells.embedding.astype(np.float64)
        self._profiles = self._profiles + self._novelty.of_signs.profile_sums(filled_cells, of)
        self._n += np.diff(of.indptr)
        if self._novelty.after is not None:  # else no cell is judged among others
            self._vectors.append(unit(cells.embedding))
            genes = self._novelty.of_signs.genes
            some = company_of(filled_cells.expression, filled_cells.embedding, signs[filled], genes)
            self._company = some if self._company is None else self._company.beside(some)

    @property
    def shift(self) -> Shift:
        """How far the query lies from the reference, by the cells that were looked at."""
        signs, filled = np.concatenate(self._signs), np.concatenate(self._filled)
        shift = self._novelty.shift(signs[filled], np.asarray(self._sums), np.asarray(self._profiles), self._n)
        if not shift.taken_out or self._company is None:
            return shift
        how = self._novelty.of_signs.differences(np.asarray(self._profiles), self._n)
        usual = float(np.quantile(self._company.of_profiles(how.unlike), COMMON))
        return replace(shift, company=self._company, differences=replace(how, usual=usual))

    def judge(self, *, alone: bool = False, shift: Shift | None = None) -> tuple[np.ndarray, np.ndarray, Shift]:
        """Return how strange each cell is, float32 (n_cells,), by which sign most, int8 (n_cells,), and the shift of the query.

        Sign 4, after those of ``SIGNS``, are its differences.

        Parameters
        ----------
        alone
            Judge each cell by itself: nothing is taken out.
        shift
            Of the query that the cells are a part of; None if they are all of it.
        """
        signs = np.concatenate(self._signs)
        shift = self.shift if shift is None else shift
        threshold = self._novelty.threshold
        if alone:
            shift = replace(shift, taken_out=False, company=None, differences=None)
        elif shift.taken_out or shift.far:
            threshold = self._novelty.after or threshold
            if shift.company is not None and shift.differences is not None:
                signs = shift.company.among(np.concatenate(self._vectors), signs, shift.differences)
                signs[:, : len(shift.away)] -= shift.away
        strange = (signs.sum(axis=1) / threshold).astype(np.float32)
        if shift.far and not alone:  # a single cell of another tissue may look like a cell of the reference
            strange = np.maximum(strange, np.float32(1 + shift.distance / FARTHEST))
        return strange, signs.argmax(axis=1).astype(np.int8), shift


class _Scale:
    """Signs relative to those of known cells of the same depth."""

    def __init__(self, signs: np.ndarray, depth: np.ndarray) -> None:
        self._range = depth.min() - 1.5, depth.max() + 0.5  # no line is followed far beyond what it was drawn through
        self._depth = depth.mean()
        away = depth - self._depth
        # a slope rests on cells of different depths: it is shrunk where there are hardly any
        self._slope = (away @ (signs - signs.mean(axis=0))) / (away @ away + len(depth) * SAME_DEPTH**2)
        rest = signs - self._expected(depth)
        self._middle = np.median(rest, axis=0)
        self._spread = np.quantile(rest, 0.95, axis=0) - self._middle + 1e-6

    def state(self) -> dict[str, np.ndarray]:
        line = np.array([*self._range, self._depth])
        return {"line": line, "slope": self._slope, "middle": self._middle, "spread": self._spread}

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "_Scale":
        out = cls.__new__(cls)
        low, high, out._depth = map(float, arrays["line"])
        out._range = low, high
        out._slope, out._middle, out._spread = arrays["slope"], arrays["middle"], arrays["spread"]
        return out

    def __call__(self, signs: np.ndarray, depth: np.ndarray) -> np.ndarray:
        return (signs - self._expected(depth) - self._middle) / self._spread

    def _expected(self, depth: np.ndarray) -> np.ndarray:
        return (np.clip(depth, *self._range) - self._depth)[:, None] * self._slope


def _depth(cells: Cells) -> np.ndarray:
    return np.log(np.maximum(np.diff(cells.expression.indptr), 1).astype(np.float64))


def _between(train: Cells, labels: np.ndarray, experiments: np.ndarray) -> list[tuple[float, float]]:
    """Return, for each experiment, what is usual of its cells for who knows only the other ones, with its shift and without.

    Classes that only it has are left out.
    """
    out = []
    for one in np.unique(experiments):
        own, others = np.flatnonzero(experiments == one), np.flatnonzero(experiments != one)
        asked = own[np.isin(labels[own], labels[others])]
        if min(len(asked), len(others)) < FEWEST:
            continue
        part, _ = split_cells(labels[others], validation=0.25, test=0)
        learn, rest = others[part == TRAIN], others[part != TRAIN]
        alone = Novelty().fit(train.take(learn), labels[learn], train.take(rest), same_experiment=False)
        cells = train.take(asked)
        alone.threshold = alone.after = 1.0
        plain, moved = alone.score(cells, alone=True), alone.score(cells)
        out.append((float(np.quantile(plain, BETWEEN)), float(np.quantile(moved, AFTER))))
    return out
