"""How a model that labels cells is trained: the options of its method, and which cells train and which validate."""

from typing import Any

import numpy as np

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputValueError, warn
from scgnn_tools._log import printable
from scgnn_tools.splits import split_cells


def asked(
    options: dict[str, Any],
    *,
    max_epochs: int | None,
    batch_size: int | None,
    early_stopping: bool,
    patience: int | None,
    devices: int = 1,
) -> dict[str, Any]:
    """Return the options of the method with what ``train`` was given; what it was not given is left to the method's protocol."""
    given = {"max_epochs": max_epochs, "batch_size": batch_size, "devices": devices if devices > 1 else None}
    out = {**options, **{k: v for k, v in given.items() if v is not None}}
    if early_stopping and patience is None:
        return out
    return {**out, "patience": patience if early_stopping else None}


def split(
    labelled: np.ndarray, codes: np.ndarray, batch: np.ndarray, classes: np.ndarray, *, train_size: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labelled cells that train and those that validate, of each class and batch.

    Parameters
    ----------
    labelled
        Positions of the cells with a label, int64.
    codes, batch
        Class and batch (-1 if unknown) of every cell.
    classes
        Names of the classes.
    train_size
        Share that trains.
    seed
        Of the draw.
    """
    groups = codes[labelled] * (batch.max() + 2) + batch[labelled] + 1
    part, _ = split_cells(groups, validation=round(1 - train_size, 6), test=0, rng=seed)
    untrained = np.setdiff1d(codes[labelled], codes[labelled[part == 0]])
    if len(untrained):
        msg = (
            f"train_size={train_size:g} leaves no cell that trains of {listed(classes[untrained])}. Pass a larger one."
        )
        raise InputValueError(msg)
    once = [c for c, n in zip(*np.unique(codes[labelled], return_counts=True), strict=True) if n == 1]
    if once:
        names = ", ".join(printable(classes[c]) for c in once)
        msg = f"{len(once)} classes have a single labelled cell, which trains and validates nothing: {names}."
        warn(msg)
    return labelled[part == 0], labelled[part == 1]
