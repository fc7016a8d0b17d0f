"""Labelled cells are held back, class by class."""

import numpy as np

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._random import RNG, generator

TRAIN, VALIDATION, TEST = 0, 1, 2


@door_of_arrays
def split_cells(
    labels: np.ndarray, *, validation: float = 0.15, test: float = 0.15, rng: RNG = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split labelled cells into training, validation and test sets, each class in proportion.

    A class keeps at least one cell in training. A class of two cells also has one in the test set. A class of three
    or more has at least one in each set.

    Parameters
    ----------
    labels
        Class of each cell, non-negative int, shape (n_cells,).
    validation, test
        Shares.
    rng
        Seed.

    Returns
    -------
    part, alone
        0 train, 1 validation, 2 test, int8 (n_cells,); and the classes with a single cell, which is kept in training.

    Examples
    --------
    >>> part, alone = sgt.splits.split_cells(adata.obs["cell_type"].cat.codes.to_numpy())
    >>> train, validation, test = (adata[part == p] for p in range(3))
    >>> train.n_obs > test.n_obs
    True
    """
    rng = generator(rng)
    part = np.zeros(len(labels), dtype=np.int8)
    alone = []
    for c in np.unique(labels):
        cells = rng.permutation(np.flatnonzero(labels == c))
        n = len(cells)
        if n == 1:
            alone.append(c)
            continue
        n_test = max(1, round(test * n)) if test > 0 else 0
        n_validation = max(1, round(validation * n)) if validation > 0 and n > 2 else 0
        part[cells[:n_test]] = TEST
        part[cells[n_test : n_test + n_validation]] = VALIDATION
    return part, np.array(alone, dtype=np.int64)
