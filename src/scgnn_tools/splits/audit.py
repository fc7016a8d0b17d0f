"""Does anything of the test set show in training?"""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import LeakageError
from scgnn_tools._log import printable


@door_of_arrays
def audit_pairs(
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    message_graph: sp.csr_array | None = None,
    genes: np.ndarray | None = None,
) -> None:
    """Refuse a test set that training can see.

    Parameters
    ----------
    train, test
        Tables with ``tf``, ``target`` and ``label``.
    message_graph, genes
        Graph that a network passes messages over and its nodes; it must hold no positive test pair that is not in training, in neither
        direction.

    Raises
    ------
    LeakageError
        If a test pair, or a positive one reversed, is in training, or a test edge is in the message graph.

    Examples
    --------
    A pair that is in both sets is refused:

    >>> pairs = pd.DataFrame({"tf": ["JUN", "SPI1"], "target": ["FOS", "LYZ"], "label": [1, 1]})
    >>> sgt.splits.audit_pairs(pairs[:1], pairs[1:])
    >>> sgt.splits.audit_pairs(pairs, pairs[1:])
    Traceback (most recent call last):
    scgnn_tools._errors.LeakageError: 1 of 1 test pairs are training pairs too...
    """
    seen = pd.MultiIndex.from_frame(train[["tf", "target"]].astype(str))
    asked = pd.MultiIndex.from_frame(test[["tf", "target"]].astype(str))
    _refuse(test, asked.isin(seen), "are training pairs too")
    turned = pd.MultiIndex.from_frame(test[["target", "tf"]].astype(str))
    positive = seen[(train["label"] == 1).to_numpy()]
    _refuse(test, turned.isin(positive) & (test["label"] == 1).to_numpy(), "are training edges the other way round")
    if message_graph is not None and genes is not None:
        at = pd.Index(genes)
        i, j = at.get_indexer(test["tf"]), at.get_indexer(test["target"])
        both = (i >= 0) & (j >= 0) & (test["label"] == 1).to_numpy()
        inside = np.zeros(len(test), dtype=bool)
        edge = np.asarray(message_graph[i[both], j[both]]).ravel() != 0
        edge |= np.asarray(message_graph[j[both], i[both]]).ravel() != 0
        inside[both] = edge
        _refuse(test, inside, "are edges of the message graph")


@door_of_arrays
def audit_scaling(mean: np.ndarray, scale: np.ndarray, train: np.ndarray) -> None:
    """Refuse a scaling of features that was not fitted on the training rows alone.

    Parameters
    ----------
    mean, scale
        What a fitted scaler subtracts and divides by, each (n_features,).
    train
        Features of the training rows, (n_rows, n_features).

    Raises
    ------
    LeakageError
        If they are not mean and standard deviation of ``train``.

    Examples
    --------
    >>> train = adata.obsm["X_cgc-mini"][:100]
    >>> sgt.splits.audit_scaling(train.mean(axis=0), train.std(axis=0), train)
    """
    spread = train.std(axis=0)
    own = np.stack([train.mean(axis=0), np.where(spread > 0, spread, 1)])
    off = np.abs(np.stack([mean, scale]) - own).max(axis=0) / own[1]
    if off.max(initial=0) > 1e-6:
        i = int(off.argmax())
        seen = f"is scaled by mean {mean[i]:.4g} and spread {scale[i]:.4g}"
        msg = f"Feature {i} {seen}; the training rows have {own[0, i]:.4g} and {own[1, i]:.4g}."
        raise LeakageError(msg)


def _refuse(test: pd.DataFrame, bad: np.ndarray, what: str) -> None:
    if bad.any():
        first = test.loc[bad].iloc[0]
        msg = f"{bad.sum()} of {len(test)} test pairs {what}, for example {printable(first['tf'])} → {printable(first['target'])}."
        raise LeakageError(msg)
