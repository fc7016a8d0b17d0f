"""Cells that an integration is fitted on, and those that are mapped into it afterwards."""

from typing import Literal

import numpy as np

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, generator

BatchSplit = Literal["unseen_cells", "unseen_batch", "label_shift"]


@door_of_arrays
def split_batches(
    batch: np.ndarray,
    labels: np.ndarray,
    kind: BatchSplit,
    *,
    share: float = 0.1,
    held: int | None = None,
    label: int | None = None,
    rng: RNG = 0,
) -> np.ndarray:
    """Split cells of several batches.

    Parameters
    ----------
    batch
        Code of each cell's batch, int (n_cells,).
    labels
        Code of each cell's label, -1 for none, int (n_cells,).
    kind
        "unseen_cells": a ``share`` of each batch is mapped afterwards. "unseen_batch": a whole batch is. "label_shift": the cells of one
        label are taken out of one batch: a method that pulls the other batches' cells of that label onto this batch corrects too much.
    share
        Of the unseen cells.
    held
        The batch that is held out or that loses a label; None takes the smallest, or the one with most cells of the label.
    label
        That is taken out; None takes the second most frequent one that is in two batches at least.
    rng
        Of the unseen cells.

    Returns
    -------
    numpy.ndarray
        "fit" and "query", or for "label_shift" "fit" and "removed", str (n_cells,).

    Examples
    --------
    >>> batch, label = (adata.obs[c].cat.codes.to_numpy().astype(int) for c in ("batch", "cell_type"))
    >>> part = sgt.splits.split_batches(batch, label, "unseen_batch")
    >>> sorted({str(p) for p in part})
    ['fit', 'query']
    """
    out = np.full(len(batch), "fit", dtype=object)
    sizes = np.bincount(batch)
    if kind == "unseen_cells":
        draws = generator(rng)
        for b in np.flatnonzero(sizes):
            own = draws.permutation(np.flatnonzero(batch == b))
            out[own[: max(1, round(share * len(own)))]] = "query"
    elif kind == "unseen_batch":
        out[batch == (int(np.argmin(sizes)) if held is None else held)] = "query"
    elif kind == "label_shift":
        table = np.zeros((labels.max() + 1, len(sizes)), dtype=np.int64)
        np.add.at(table, (labels[labels >= 0], batch[labels >= 0]), 1)
        shared = [c for c in np.argsort(-table.sum(axis=1), kind="stable") if (table[c] > 0).sum() > 1]
        if not shared:
            msg = "No label is in two batches; one that is can be taken out of one of them."
            raise InputValueError(msg)
        gone = int(shared[min(1, len(shared) - 1)]) if label is None else label
        where = int(table[gone].argmax()) if held is None else held
        out[(labels == gone) & (batch == where)] = "removed"
    else:
        msg = f"kind is 'unseen_cells', 'unseen_batch' or 'label_shift'; got {kind!r}."
        raise InputValueError(msg)
    return out
