"""Is a cell unlike everything the reference holds?

Four signs (:mod:`scgnn_tools.annotation.signs`), each compared with held-out labelled cells that express as many genes: a shallow cell
correlates less with anything. The signs are brought to one scale, on which held-out cells have a median of 0 and a 95 % quantile of
1, and added up. A cell is unknown if its sum is above a threshold: within one experiment the 97.5 % quantile of the held-out cells; from
another experiment more is usual: what was so between laboratories, and more if leaving out one experiment of the reference after the
other shows more.
"""

import numpy as np

from scgnn_tools.annotation.signs import Signs
from scgnn_tools.labels import Cells
from scgnn_tools.splits import split_cells
from scgnn_tools.splits.cells import TRAIN

WITHIN, BETWEEN = 0.975, 0.99
ALLOWANCE = 8.0
"""What 95 % of the known cells have where reference and query are of two laboratories (``benchmarks/unknown.py``)."""
FEWEST = 20
SAME_DEPTH = 0.1


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
        self._signs = Signs().fit(train, labels)
        usual = held_out if len(held_out) else train
        self._scale = _Scale(self._signs(usual), _depth(usual))
        self.threshold = float(np.quantile(self._sum(usual), WITHIN))
        if not same_experiment:
            between = [] if experiments is None else _between(train, labels, experiments)
            self.threshold = max(self.threshold, ALLOWANCE, *between)
        return self

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that :meth:`restore` needs."""
        out = {f"signs.{k}": v for k, v in self._signs.state().items()}
        return out | {f"scale.{k}": v for k, v in self._scale.state().items()} | {"threshold": np.array(self.threshold)}

    def restore(self, arrays: dict[str, np.ndarray]) -> "Novelty":
        """Become what :meth:`state` was asked of."""
        self._signs = Signs().restore(
            {k.removeprefix("signs."): v for k, v in arrays.items() if k.startswith("signs.")}
        )
        self._scale = _Scale.of({k.removeprefix("scale."): v for k, v in arrays.items() if k.startswith("scale.")})
        self.threshold = float(arrays["threshold"])
        return self

    def signs(self, cells: Cells) -> np.ndarray:
        """Return the signs on their common scale, (n_cells, 4)."""
        return self._scale(self._signs(cells), _depth(cells))

    def score(self, cells: Cells) -> np.ndarray:
        """Return how strange each cell is, (n_cells,); above 1 it is unknown."""
        return self._sum(cells) / self.threshold

    def judge(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the score of each cell, float32 (n_cells,), and the sign that has most of it, int8 (n_cells,)."""
        signs = self.signs(cells)
        return (signs.sum(axis=1) / self.threshold).astype(np.float32), signs.argmax(axis=1).astype(np.int8)

    def _sum(self, cells: Cells) -> np.ndarray:
        return self.signs(cells).sum(axis=1)


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


def _between(train: Cells, labels: np.ndarray, experiments: np.ndarray) -> list[float]:
    """Return, for each experiment, what is usual of its cells for who knows only the other ones; classes that only it has left out."""
    out = []
    for one in np.unique(experiments):
        own, others = np.flatnonzero(experiments == one), np.flatnonzero(experiments != one)
        asked = own[np.isin(labels[own], labels[others])]
        if min(len(asked), len(others)) < FEWEST:
            continue
        part, _ = split_cells(labels[others], validation=0.25, test=0)
        learn, rest = others[part == TRAIN], others[part != TRAIN]
        alone = Novelty().fit(train.take(learn), labels[learn], train.take(rest))
        out.append(float(np.quantile(alone._sum(train.take(asked)), BETWEEN)))
    return out
