"""Stratified folds of labelled cells, for every ablation of an annotation method."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

import scgnn_tools as sgt
from benchmarks._cells import cells_of, named, read
from scgnn_tools.labels import Cells
from scgnn_tools.splits import split_cells


@dataclass(frozen=True)
class Fold:
    """Cells to train on, to stop and choose by, and to score, with their classes."""

    train: Cells
    y: np.ndarray
    validation: Cells
    y_validation: np.ndarray
    test: Cells
    y_test: np.ndarray


def folds(data: Path, name: str, n: int, of: int = 5) -> Iterator[Fold]:
    """Yield the first n of so many folds of ``NAME`` or ``FOLDER/NAME:COLUMN``; classes of under five cells are left out.

    15 % of the cells outside a fold are those of validation.
    """
    path, _, column = name.partition(":")
    adata = read(data, path)
    label = pd.Series(named(adata, column or "cell_type"))
    kept = (label.map(label.value_counts()) >= 5).to_numpy()
    cells, y = cells_of(adata[kept].copy()), np.unique(label[kept], return_inverse=True)[1].astype(np.int64)
    for fold, (rest, test) in enumerate(StratifiedKFold(of, shuffle=True, random_state=0).split(y, y)):
        if fold == n:
            return
        part, _ = split_cells(y[rest], test=0, rng=fold)
        a, b = rest[part == 0], rest[part == 1]
        yield Fold(cells.take(a), y[a], cells.take(b), y[b], cells.take(test), y[test])


def score(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return accuracy and macro-F1, in per cent."""
    m = sgt.metrics.annotation(y, scores.argmax(axis=1))
    return 100 * np.array([m["accuracy"], m["macro_f1"]])


def chosen(fits: dict[str, dict], parts: list[str]) -> dict[str, dict]:
    """Return the rows whose names hold one of the parts; all if there are none."""
    return {name: options for name, options in fits.items() if not parts or any(part in name for part in parts)}
