"""Stratified folds of labelled cells, for every ablation of an annotation method."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
from sklearn.model_selection import StratifiedKFold

import scgnn_tools as sgt
from scgnn_tools.data import open_expression
from scgnn_tools.genes import gene_names
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


def read(data: Path, name: str) -> tuple[Cells, np.ndarray]:
    """Return the cells and classes of ``NAME`` or ``FOLDER/NAME:COLUMN``; classes of under five cells are left out."""
    path, _, column = name.partition(":")
    adata = ad.read_h5ad(data / (f"{path}.h5ad" if "/" in path else f"cells/{path}.h5ad"))
    label = adata.obs[column or "cell_type"].astype(str)
    adata = adata[label.map(label.value_counts()).to_numpy() >= 5].copy()
    opened, vectors = open_expression(adata), sgt.fm.load(sgt.fm.best_bundled()).embed_cells(adata)
    cells = Cells(opened.log_normalized(), vectors, gene_names(adata.var), opened.cell_totals())
    return cells, np.unique(label[adata.obs_names], return_inverse=True)[1].astype(np.int64)


def folds(data: Path, name: str, n: int, of: int = 5) -> Iterator[Fold]:
    """Yield the first n of so many folds; 15 % of the cells outside a fold are those of validation."""
    cells, y = read(data, name)
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
