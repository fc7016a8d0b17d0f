"""``tl.classify_genes``: do the vectors of genes tell classes of genes apart, and do they so better than simple ones?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError, LabelError
from scgnn_tools._log import printable, say
from scgnn_tools._random import RNG, seed
from scgnn_tools.genes import canonical_symbols
from scgnn_tools.tl._gene_vectors import baseline_vectors, gene_vectors

if TYPE_CHECKING:
    from anndata import AnnData

LEAST = 10
"""Genes that the smaller class of a task needs."""


def classify_genes(
    adata: "AnnData",
    classes: "Mapping[str, Sequence[str]] | pd.Series",
    *,
    use_rep: str | None = None,
    n_folds: int = 5,
    n_trees: int = 500,
    baselines: bool = True,
    layer: str | None = None,
    gene_key: str | None = None,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Tell classes of genes apart by their vectors with a random forest, as in the gene tasks of Geneformer and Cell-Graph Compass.

    Nothing is written into the object: the table is the result.

    Parameters
    ----------
    adata
        Cells × genes.
    classes
        Class name -> genes, or a Series of classes by gene; symbols or Ensembl ids. Genes in two classes are left out of both.
    use_rep
        Key of ``varm``, written by :func:`scgnn_tools.tl.embed`; None takes the last embedding.
    n_folds
        Folds of the cross-validation, stratified.
    n_trees
        Of the forest.
    baselines
        Score random vectors, the singular vectors of the expression matrix and the mean expression on the same genes and folds.
    layer, gene_key
        As in :func:`scgnn_tools.tl.embed`.
    rng
        Seed of folds, forest and random vectors.

    Returns
    -------
    pandas.DataFrame
        A row a kind of vectors: ``auc`` (mean area under the ROC curve over the folds; one class against the rest, averaged, where
        there are more than two), ``sd`` over the folds, ``difference`` of the first row to this one with ``standard_error``, paired
        over the folds, ``n_genes`` and ``n_lost`` (genes of the classes that have no vector).

    Raises
    ------
    MissingKeyError
        If there is no such embedding.
    LabelError
        If a class has fewer than 10 genes with a vector, or there is one class only.

    Notes
    -----
    Source: Theodoris et al., Nature 2023 (tasks); Fang et al., bioRxiv 2024.06.04.597354 (random forest on static vectors, 5 folds).
    """
    key, vectors, names = gene_vectors(adata, use_rep, gene_key)
    label = _labels(classes)
    usable = np.isfinite(vectors).all(axis=1) & ~pd.Index(names).duplicated() & (names != "")
    row = pd.Series(np.flatnonzero(usable), index=names[usable]).reindex(label.index)
    n_lost = int(row.isna().sum())
    label, at = label[row.notna()], row.dropna().to_numpy(dtype=np.int64)
    sizes = label.value_counts()
    if len(sizes) < 2 or sizes.min() < LEAST:
        seen = ", ".join(f"{printable(k)}: {v}" for k, v in sizes.items()) or "none"
        msg = f"At least 2 classes of at least {LEAST} genes that have a vector are wanted; there are {seen} ({n_lost} genes without one)."
        raise LabelError(msg)
    tables = {key: vectors}
    if baselines:
        tables |= baseline_vectors(adata, vectors.shape[1], layer=layer, rng=rng)
    folds = {name: _auc(table[at], label.to_numpy(), n_folds, n_trees, seed(rng)) for name, table in tables.items()}
    rows = []
    for name, auc in folds.items():
        paired = folds[key] - auc
        line = {"vectors": name, "auc": auc.mean(), "sd": auc.std(ddof=1), "difference": paired.mean()}
        line["standard_error"] = paired.std(ddof=1) / np.sqrt(n_folds)
        rows.append({**line, "n_genes": len(at), "n_lost": n_lost})
    out = pd.DataFrame(rows).set_index("vectors")
    best = out["auc"].drop(key).idxmax() if len(out) > 1 else None
    more = f"; best baseline: {best} {out.loc[best, 'auc']:.3f}" if best else ""
    say(
        f"classify_genes: {key} {out.loc[key, 'auc']:.3f} AUC over {n_folds} folds, {len(at)} genes, {n_lost} lost{more}"
    )
    return out


def _labels(classes: "Mapping[str, Sequence[str]] | pd.Series") -> pd.Series:
    """Return the class of each gene by its symbol, without the genes of several classes."""
    if isinstance(classes, pd.Series):
        table = classes.dropna().astype(str)
    elif isinstance(classes, Mapping):
        table = pd.concat(
            [pd.Series(str(name), index=pd.Index(list(genes), dtype=object)) for name, genes in classes.items()]
        )
    else:
        msg = f"classes is a mapping of names to genes, or a Series of names by gene; got {type(classes).__name__}."
        raise InputValueError(msg)
    table.index = pd.Index(canonical_symbols(table.index.to_numpy().astype(str), organism="human"))
    table = table[table.index != ""]
    table = table[~pd.DataFrame({"gene": table.index, "class": table.to_numpy()}).duplicated().to_numpy()]
    return table[~table.index.duplicated(keep=False)]


def _auc(x: np.ndarray, y: np.ndarray, n_folds: int, n_trees: int, seed: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    out = []
    for train, test in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(x, y):
        forest: Any = RandomForestClassifier(n_trees, random_state=seed, n_jobs=-1, class_weight="balanced")
        proba = forest.fit(x[train], y[train]).predict_proba(x[test])
        binary = proba.shape[1] == 2
        out.append(roc_auc_score(y[test], proba[:, 1] if binary else proba, multi_class="ovr", labels=forest.classes_))
    return np.array(out)
