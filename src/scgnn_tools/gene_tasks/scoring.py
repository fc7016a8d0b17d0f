"""How well classes of genes are told apart, in folds over genes: areas, curves, and the table of all readers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from scgnn_tools.gene_tasks.readers import CLASSIFIERS, Reader

GRID = np.linspace(0, 1, 101)
"""False positives at which curves are kept."""

CURVES = "curves"
"""Entry of ``attrs`` of the table: ``fpr``, and ``tpr`` of each row, for :func:`scgnn_tools.pl.gene_classes`."""


class Folds(NamedTuple):
    """Area under the ROC curve of each fold, and the mean curve over the folds at :data:`GRID`."""

    auc: np.ndarray
    curve: np.ndarray


def compare(y: np.ndarray, rows: Mapping[str, Sequence[Reader]], *, n_folds: int = 5, rng: int = 0) -> pd.DataFrame:
    """Score readers on the same folds of the same genes; the first row is compared with all.

    Parameters
    ----------
    y
        Class of each gene, numbers, (n_genes,).
    rows
        Name of a row -> its readers, one a draw of the vectors.
    n_folds
        Folds of the cross-validation, stratified.
    rng
        Seed of the folds.

    Returns
    -------
    pandas.DataFrame
        A row a name: ``auc``, ``sd``, ``spread``, ``difference`` and ``standard_error``, as in
        :func:`scgnn_tools.tl.classify_genes`; ``attrs["curves"]`` holds the mean ROC curve of each row.

    Examples
    --------
    >>> ribosomal = adata.var_names.str.startswith("RPL").astype(int)
    >>> reader = sgt.gene_tasks.forest(adata.varm["cgc-mini"], ribosomal, n_trees=10)
    >>> table = sgt.gene_tasks.compare(ribosomal, {"cgc-mini": [reader]}, n_folds=2)
    >>> table.columns[:2].tolist()
    ['auc', 'sd']
    """
    return _table({name: [_scored(y, n_folds, rng, reader) for reader in draws] for name, draws in rows.items()})


def best_baseline(table: pd.DataFrame, name: str) -> str | None:
    """Return the best row beside the first; the vectors called ``name`` are no baseline of themselves, whatever reads them."""
    same = [f"{name}, {kind}" for kind in CLASSIFIERS]
    others = table["auc"].drop([table.index[0], *same], errors="ignore")
    return str(others.idxmax()) if len(others) else None


def _table(folds: dict[str, list[Folds]]) -> pd.DataFrame:
    """Return a row a kind of vectors from its folds, one a draw; the first row is compared with all."""
    first, rows = np.mean([d.auc for d in next(iter(folds.values()))], axis=0), []
    for name, scored in folds.items():
        draws = [d.auc for d in scored]
        auc = np.mean(draws, axis=0)
        paired = first - auc
        line = {"vectors": name, "auc": auc.mean(), "sd": auc.std(ddof=1)}
        line["spread"] = np.std([d.mean() for d in draws], ddof=1) if len(draws) > 1 else np.nan
        line |= {"difference": paired.mean(), "standard_error": paired.std(ddof=1) / np.sqrt(len(auc))}
        rows.append(line)
    out = pd.DataFrame(rows).set_index("vectors")
    curves = {name: np.mean([d.curve for d in scored], axis=0).tolist() for name, scored in folds.items()}
    out.attrs[CURVES] = {"fpr": GRID.tolist(), "tpr": curves}
    return out


def _scored(y: np.ndarray, n_folds: int, seed: int, reader: Reader) -> Folds:
    """Return the area under the ROC curve of each fold; the reader gives the classes' probabilities of its test genes."""
    from sklearn.metrics import roc_auc_score, roc_curve
    from sklearn.model_selection import StratifiedKFold

    out, curves, names = [], [], np.unique(y)
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y):
        proba = reader(train, test)
        binary = proba.shape[1] == 2
        out.append(roc_auc_score(y[test], proba[:, 1] if binary else proba, multi_class="ovr", labels=names))
        for i in [1] if binary else range(len(names)):
            fpr, tpr, _ = roc_curve(y[test] == names[i], proba[:, i])
            curves.append(np.interp(GRID, fpr, tpr))
    return Folds(np.array(out), np.mean(curves, axis=0))
