"""What reads vectors of genes: a forest, and simple classifiers beside it. A reader learns from some genes and is asked about others."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

Reader = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Training and test genes of a fold in, the probabilities of the classes of the test genes out, (n_test, n_classes)."""

CLASSIFIERS = ("logistic regression", "SVM")
"""On the same vectors beside the forest: is it the vectors, or what reads them?"""


def forest(x: np.ndarray, y: np.ndarray, *, n_trees: int = 500, rng: int = 0) -> Reader:
    """Return a random forest that reads vectors ``x`` (n_genes, d) of genes of the classes ``y`` (n_genes,).

    Examples
    --------
    >>> ribosomal = adata.var_names.str.startswith("RPL").astype(int)
    >>> reader = sgt.gene_tasks.forest(adata.varm["cgc-mini"], ribosomal, n_trees=10)
    >>> genes = np.arange(1000)
    >>> reader(genes[::2], genes[1::2]).shape
    (500, 2)
    """
    return partial(_forest, x, y, n_trees, rng)


def readers(
    vectors: Mapping[str, np.ndarray],
    y: np.ndarray,
    *,
    simple: Mapping[str, Sequence[np.ndarray]],
    in_cells: Mapping[str, np.ndarray],
    n_trees: int,
    rng: int,
) -> dict[str, list[Reader]]:
    """Return the rows that :func:`scgnn_tools.gene_tasks.compare` scores.

    Parameters
    ----------
    vectors
        By name; the first are compared with all.
    y
        Class of each gene, (n_genes,).
    simple
        Vectors that they have to beat, one a draw. Without them the forest alone reads, else what is in :data:`CLASSIFIERS` as well.
    in_cells
        What the genes are in some cells, which all classifiers read.
    n_trees, rng
        Of the forest, and the seed of all that draw.
    """
    tables = {**{name: [x] for name, x in vectors.items()}, **simple}
    out = {name: [forest(x, y, n_trees=n_trees, rng=rng) for x in draws] for name, draws in tables.items()}
    first, x = next(iter(vectors.items()))
    if simple:
        out |= linear(first, x, y, rng)
    for name, x in in_cells.items():
        out |= {f"{name}, forest": [forest(x, y, n_trees=n_trees, rng=rng)], **linear(name, x, y, rng)}
    return out


def linear(name: str, x: np.ndarray, y: np.ndarray, rng: int) -> dict[str, list[Reader]]:
    """Return the classifiers beside the forest on the same vectors, called ``name``, by the names of their rows."""
    return {f"{name}, {kind}": [partial(_linear, kind, x, y, rng)] for kind in CLASSIFIERS}


def _forest(x: np.ndarray, y: np.ndarray, n_trees: int, seed: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    trees: Any = RandomForestClassifier(n_trees, random_state=seed, n_jobs=-1, class_weight="balanced")
    return trees.fit(x[train], y[train]).predict_proba(x[test])


def _linear(name: str, x: np.ndarray, y: np.ndarray, seed: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the probabilities of classes by logistic regression, or of a support vector machine with a Gaussian kernel."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    kind: Any = (
        LogisticRegression(max_iter=2000, class_weight="balanced")
        if name == "logistic regression"
        else SVC(class_weight="balanced", random_state=seed)
    )
    fitted = make_pipeline(StandardScaler(), kind).fit(x[train], y[train])
    if name == "logistic regression":
        return fitted.predict_proba(x[test])
    margin = fitted.decision_function(x[test])
    if margin.ndim == 1:
        margin = np.stack([-margin, margin], axis=1)
    odds = np.exp(margin - margin.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)  # rows that sum to one: an area needs their order alone
